//! `stratavore play`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratavore_rpc::v1;

use crate::args::{PlayArgs, Seconds};
use crate::failure::{Failure, Kind, Result};
use crate::host::shown;
use crate::invocation::Invocation;
use crate::play::cast::{BadCast, Cast};
use crate::play::player::{Ending, Pace, Player};
use crate::terminal::signals::Signal;
use crate::terminal::tty::Typeahead;
use crate::terminal::{occupy, require_terminal};
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: PlayArgs) -> Result<ExitCode> {
    let path = if args.what.contains('/') || args.what.ends_with(".cast") {
        if args.attempt.is_some() {
            let message = "--attempt says nothing about a file";
            return Err(Failure::new(Kind::Usage, message).hint("name a runner, or leave it out"));
        }
        PathBuf::from(&args.what)
    } else {
        let runner = call.host().await?.runner(&args.what).await?;
        recording(&runner, args.attempt)?
    };
    let unplayable =
        |why: &BadCast| Failure::caused(Kind::Failed, format!("cannot play {}", shown(&path)), why);
    let file = File::open(&path).map_err(|error| {
        let failure = unplayable(&BadCast::Read(error));
        failure.hint("`stratavore show RUNNER` tells where a runner's recording is")
    })?;
    let cast = Cast::open(BufReader::new(file)).map_err(|why| unplayable(&why))?;
    require_terminal(
        "play",
        &format!("the recording is {}, asciicast v2", shown(&path)),
    )?;
    let tty = call.tty()?;
    let pace = Pace {
        speed: args.speed.0,
        idle_limit: args.idle_limit.map(|Seconds(seconds)| seconds),
    };
    let mut player = Player::new(&tty, cast, pace);
    let ending = occupy(&tty, async || player.run().await, |_| Typeahead::Drop).await?;
    match (ending, player.into_trouble()) {
        (Ending::Signalled(signal), _) => Ok(ExitCode::from(signal.exit_code())),
        (Ending::TerminalClosed, _) => Ok(ExitCode::from(Signal::Hangup.exit_code())),
        (Ending::Quit, None) => Ok(ExitCode::SUCCESS),
        (Ending::Quit, Some(trouble)) => Err(unplayable(&trouble)),
    }
}

/// Gives the file of an attempt's recording; the newest attempt's without one.
fn recording(runner: &v1::Runner, attempt: Option<u32>) -> Result<PathBuf> {
    let name = printable(&runner.name);
    let Some(newest) = runner.recording.as_deref().map(Path::new) else {
        return Err(
            Failure::new(Kind::Failed, format!("{name} was not recorded"))
                .hint("launch with --record what is to be recorded"),
        );
    };
    let Some(attempt) = attempt else {
        return Ok(newest.to_owned());
    };
    if attempt > runner.attempt {
        let message = format!(
            "{name} has had no attempt {attempt}, only {}",
            runner.attempt
        );
        return Err(Failure::new(Kind::NotFound, message));
    }
    // Attempts have a directory each, side by side.
    let file = newest
        .file_name()
        .zip(newest.parent().and_then(Path::parent));
    let file = file.map(|(file, attempts)| attempts.join(attempt.to_string()).join(file));
    file.ok_or_else(|| {
        let error = io::Error::from(io::ErrorKind::NotFound);
        Failure::caused(
            Kind::Internal,
            format!("cannot tell attempt {attempt} of {name}"),
            &error,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_have_their_own_recordings() {
        let runner = v1::Runner {
            name: "auth".into(),
            attempt: 3,
            recording: Some("/d/runners/r/3/recording.cast".into()),
            ..v1::Runner::default()
        };
        let path = |attempt| recording(&runner, attempt).unwrap();
        assert_eq!(path(None), Path::new("/d/runners/r/3/recording.cast"));
        assert_eq!(path(Some(1)), Path::new("/d/runners/r/1/recording.cast"));
        assert_eq!(
            recording(&runner, Some(4)).unwrap_err().kind,
            Kind::NotFound
        );
        let unrecorded = v1::Runner::default();
        assert_eq!(recording(&unrecorded, None).unwrap_err().kind, Kind::Failed);
    }
}
