//! `stratavore sessions`.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use stratavore_rpc::v1;

use super::status;
use super::terminal::print;
use crate::args::{SessionsCommand, SessionsExportArgs, SessionsListArgs, SessionsSearchArgs};
use crate::failure::{Failure, Kind, Result};
use crate::host::{Host, shown};
use crate::invocation::Invocation;
use crate::runner::memory;
use crate::session;

pub(super) async fn run(call: &Invocation, command: SessionsCommand) -> Result {
    match command {
        SessionsCommand::List(args) => list(call, args).await,
        SessionsCommand::Show(args) => {
            let request = v1::SessionRef {
                session: args.session,
            };
            let mut host = call.host().await?;
            let found = host
                .ask(async |client| client.get_session(request).await)
                .await?;
            status::age(call, &mut host).await;
            call.output
                .data(&found, |found| session::card(found, call.now()))
        }
        SessionsCommand::Search(args) => search(call, args).await,
        SessionsCommand::Export(args) => export(call, args).await,
        SessionsCommand::Archive { session } => archive(call, session).await,
        SessionsCommand::Restore(args) => restore(call, args.session).await,
        SessionsCommand::Reindex => reindex(call).await,
    }
}

async fn list(call: &Invocation, args: SessionsListArgs) -> Result {
    let SessionsListArgs {
        project,
        program,
        runner,
        limit,
    } = args;
    let mut host = call.host().await?;
    let request = v1::ListSessionsRequest {
        project,
        program,
        runner,
        limit,
    };
    let sessions = host
        .ask(async |client| client.list_sessions(request).await)
        .await?
        .sessions;
    status::age(call, &mut host).await;
    call.output.data(&sessions, |sessions| {
        if sessions.is_empty() {
            call.output.note("no sessions");
            return String::new();
        }
        session::table(sessions, call.now(), call.output.stdout)
    })
}

async fn search(call: &Invocation, args: SessionsSearchArgs) -> Result {
    let query = query(&args.words);
    if query.is_empty() {
        return Err(
            Failure::new(Kind::Usage, "there is no word to search for").hint("name at least one")
        );
    }
    let mut host = call.host().await?;
    let request = v1::SearchSessionsRequest {
        query,
        project: args.project,
        limit: args.limit,
    };
    // While a shared database is away, transcripts are read for it.
    let hits = host
        .await_reply(async |client| client.search_sessions(request).await)
        .await?
        .hits;
    status::found_here(call, &mut host).await;
    call.output.data(&hits, |hits| {
        if hits.is_empty() {
            call.output.note("nothing of that was said");
        }
        session::hits(hits, call.now(), call.output.stdout)
    })
}

/// Makes one query of the words: several that the shell was given as one must follow one another.
fn query(words: &[String]) -> String {
    let words = words.iter().map(|word| word.trim());
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        if word.contains(char::is_whitespace) && !word.contains('"') {
            format!("\"{word}\"")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

async fn export(call: &Invocation, args: SessionsExportArgs) -> Result {
    let mut host = call.host().await?;
    let request = v1::ExportSessionRequest {
        session: args.session,
        format: args.format.as_str().to_owned(),
    };
    let content = host
        .await_reply(async |client| client.export_session(request).await)
        .await?
        .content;
    if let Some(file) = args.output {
        write_new(&file, &content)?;
        let done = json!({ "file": file, "bytes": content.len() });
        return call.output.data(&done, |_| {
            call.output.note(format!(
                "wrote {} to {}",
                memory(content.len() as u64),
                shown(&file)
            ));
            String::new()
        });
    }
    if call.output.json {
        let object = json!({ "content": String::from_utf8_lossy(&content) });
        return call.output.data(&object, |_| String::new());
    }
    // A transcript quotes what programs wrote: a terminal would obey it, a file must hold it as it is.
    print(call, &content, !io::stdout().is_terminal())
}

/// Writes a file that only its owner may read, and none in the place of another.
fn write_new(path: &Path, content: &[u8]) -> Result {
    let failed = |error: &io::Error| {
        Failure::caused(Kind::Failed, format!("cannot write {}", shown(path)), error)
    };
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("there is a file {} already", shown(path));
            return Err(
                Failure::new(Kind::Conflict, message).hint("name another, or remove that one")
            );
        }
        Err(error) => {
            return Err(failed(&error).hint("name a file in a directory that you may write"));
        }
    };
    if let Err(error) = file.write_all(content).and_then(|()| file.sync_all()) {
        // Half a transcript must not be taken for a whole one.
        let _ = fs::remove_file(path);
        return Err(failed(&error).hint("make room there, or name another file"));
    }
    Ok(())
}

async fn archive(call: &Invocation, session: Option<String>) -> Result {
    let mut host = call.host().await?;
    let one = session.is_some();
    let request = v1::ArchiveSessionsRequest { session };
    let reply = host
        .await_reply(async |client| client.archive_sessions(request).await)
        .await?;
    call.output.data(&reply, |reply| {
        call.output.note(match reply.sessions {
            0 if one => "it has not changed since it was archived".to_owned(),
            0 => "no session has changed since it was archived".to_owned(),
            1 => format!("archived 1 session in {}", memory(reply.bytes)),
            sessions => format!("archived {sessions} sessions in {}", memory(reply.bytes)),
        });
        String::new()
    })
}

async fn restore(call: &Invocation, session: String) -> Result {
    let mut host = call.host().await?;
    let request = v1::SessionRef { session };
    let reply = host
        .await_reply(async |client| client.restore_session(request).await)
        .await?;
    call.output.data(&reply, |reply| {
        call.output.note(format!(
            "put {} back as {}",
            memory(reply.bytes),
            shown(Path::new(&reply.transcript))
        ));
        String::new()
    })
}

async fn reindex(call: &Invocation) -> Result {
    let mut host = call.host().await?;
    let reply = read_all(&mut host).await?;
    call.output.data(&reply, |reply| {
        let sessions = match reply.sessions {
            1 => "1 session".to_owned(),
            sessions => format!("{sessions} sessions"),
        };
        call.output
            .note(format!("read {sessions}, {}", memory(reply.bytes)));
        String::new()
    })
}

async fn read_all(host: &mut Host) -> Result<v1::ReindexReply> {
    host.await_reply(async |client| client.reindex(v1::ReindexRequest {}).await)
        .await
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_that_the_shell_was_given_as_one_follow_one_another() {
        let query = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            super::query(&words)
        };
        assert_eq!(query(&["login", "form"]), "login form");
        assert_eq!(query(&["login form", " x "]), "\"login form\" x");
        assert_eq!(query(&["\"login form\" x"]), "\"login form\" x");
        assert_eq!(query(&["", "  "]), "");
    }
}
