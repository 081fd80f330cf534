//! Where its transcripts are.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::Transcript;
use crate::directory::{entries, is_directory, is_rows, records};

/// Lists `projects/*/SESSION.jsonl` and `projects/*/SESSION/subagents/**/agent-*.jsonl`.
pub(super) fn list(home: &Path) -> io::Result<Vec<Transcript>> {
    let mut found = Vec::new();
    for project in entries(&home.join("projects"))? {
        if !is_directory(&project) {
            continue;
        }
        for entry in entries(&project.path())? {
            let path = entry.path();
            if is_directory(&entry) {
                let session = name(path.file_name());
                // Subagents of subagents have directories of their own.
                let agents = records(&path.join("subagents"), 4)?;
                found.extend(agents.into_iter().map(|path| Transcript {
                    path,
                    session: session.clone(),
                    subagent: true,
                }));
            } else if is_rows(&path) {
                found.push(Transcript {
                    session: name(path.file_stem()),
                    path,
                    subagent: false,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn name(name: Option<&OsStr>) -> Option<String> {
    let name = name?.to_str()?;
    uuid::Uuid::try_parse(name).ok().map(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn touch(path: PathBuf) -> PathBuf {
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, "").expect("written");
        path
    }

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    #[test]
    fn sessions_and_subagents_are_found_and_nothing_else() {
        let home = tempfile::tempdir().expect("a directory");
        let project = home.path().join("projects/-p");
        assert_eq!(list(home.path()).expect("listed"), []);
        let own = touch(project.join(format!("{ID}.jsonl")));
        let agent = touch(project.join(ID).join("subagents/agent-a1.jsonl"));
        let odd = touch(project.join("notes.jsonl"));
        touch(project.join(ID).join("subagents/agent-a1.meta.json"));
        touch(project.join(ID).join("tool-results/x.txt"));
        touch(home.path().join("projects/stray.jsonl"));
        std::os::unix::fs::symlink(&project, project.join("circle")).expect("linked");
        let found = list(home.path()).expect("listed");
        let session = Some(ID.to_owned());
        let mut wanted = vec![
            Transcript {
                path: own,
                session: session.clone(),
                subagent: false,
            },
            Transcript {
                path: agent,
                session,
                subagent: true,
            },
            Transcript {
                path: odd,
                session: None,
                subagent: false,
            },
        ];
        wanted.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(found, wanted);
    }
}
