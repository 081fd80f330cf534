//! The file that it keeps of its own process: `sessions/PID.json`.

use serde::Deserialize;
use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;

use crate::{PidFile, ProcessId};

/// The longest that is read.
const LONGEST: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    pid: u32,
    proc_start: Option<String>,
    session_id: Option<String>,
    status: Option<String>,
    waiting_for: Option<String>,
    status_updated_at: Option<i64>,
}

pub(super) fn read(bytes: &[u8], process: ProcessId, now: Timestamp) -> Result<PidFile, String> {
    if bytes.len() > LONGEST {
        return Err(format!("it has {} bytes", bytes.len()));
    }
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| format!("it is not whole: {error}"))?;
    if file.pid != process.pid {
        return Err(format!(
            "it is of process {}, not {}",
            file.pid, process.pid
        ));
    }
    let started = file.proc_start.as_deref().and_then(|it| it.parse().ok());
    if started != Some(process.started_ticks) {
        return Err(format!(
            "it is of an earlier process {}: that started at {}, this one at {}",
            process.pid,
            file.proc_start.as_deref().unwrap_or("no time told"),
            process.started_ticks
        ));
    }
    // A clock that went back must not make a state of the future, which nothing could follow.
    let at = file
        .status_updated_at
        .and_then(Timestamp::from_timestamp_millis)
        .map_or(now, |at| at.min(now));
    let plain = |need| Said::plain(need, at);
    let said = match file.status.as_deref() {
        // A command that runs behind a prompt keeps nobody from going on.
        Some("idle" | "shell") => Some(plain(Need::Idle)),
        Some("busy") => Some(plain(Need::Working)),
        Some("waiting") => Some(match file.waiting_for.as_deref() {
            // The terminal and the hook say for which: these words would hide that.
            Some("permission prompt") => plain(Need::NeedsPermission),
            Some("input needed") | None => plain(Need::NeedsAnswer),
            Some(other) => Said {
                detail: Some(other.to_owned()),
                ..plain(Need::NeedsAnswer)
            },
        }),
        _ => None,
    };
    Ok(PidFile {
        said,
        session: file.session_id.filter(|id| !id.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: ProcessId = ProcessId {
        pid: 4242,
        started_ticks: 89721,
    };

    fn now() -> Timestamp {
        Timestamp::from_timestamp_millis(1_800_000_000_000).expect("a time")
    }

    fn file(more: &str) -> String {
        format!(
            r#"{{"pid":4242,"procStart":"89721","sessionId":"s","cwd":"/p","version":"2.1.330","kind":"interactive"{more}}}"#
        )
    }

    fn said(more: &str) -> Option<Said> {
        read(file(more).as_bytes(), PROCESS, now())
            .expect("read")
            .said
    }

    #[test]
    fn each_status_is_a_state_since_it_was_told() {
        let at = Timestamp::from_timestamp_millis(1_700_000_000_000).expect("a time");
        let told = r#","statusUpdatedAt":1700000000000"#;
        let with = |status: &str| said(&format!(r#","status":{status}{told}"#));
        assert_eq!(with(r#""idle""#), Some(Said::plain(Need::Idle, at)));
        assert_eq!(with(r#""shell""#), Some(Said::plain(Need::Idle, at)));
        assert_eq!(with(r#""busy""#), Some(Said::plain(Need::Working, at)));
        assert_eq!(
            with(r#""waiting","waitingFor":"permission prompt""#),
            Some(Said::plain(Need::NeedsPermission, at))
        );
        assert_eq!(
            with(r#""waiting","waitingFor":"input needed""#),
            Some(Said::plain(Need::NeedsAnswer, at))
        );
        let dialog = with(r#""waiting","waitingFor":"dialog open""#).expect("said");
        assert_eq!(dialog.detail.as_deref(), Some("dialog open"));
        assert_eq!(with(r#""dreaming""#), None);
        assert_eq!(said(""), None);
    }

    #[test]
    fn a_clock_that_went_back_makes_no_state_of_the_future() {
        let future = said(r#","status":"busy","statusUpdatedAt":1900000000000"#);
        assert_eq!(future, Some(Said::plain(Need::Working, now())));
        let absurd = said(r#","status":"busy","statusUpdatedAt":9223372036854775807"#);
        assert_eq!(absurd, Some(Said::plain(Need::Working, now())));
    }

    #[test]
    fn what_is_cut_stale_or_of_another_process_is_not_believed() {
        let whole = file("");
        for end in 0..whole.len() {
            assert!(read(&whole.as_bytes()[..end], PROCESS, now()).is_err());
        }
        let refused = |text: &str| read(text.as_bytes(), PROCESS, now()).expect_err("refused");
        assert!(refused(&whole.replace("4242", "4243")).contains("4243"));
        assert!(refused(&whole.replace("89721", "89722")).contains("earlier"));
        assert!(refused(r#"{"pid":4242}"#).contains("no time told"));
        assert!(refused(r#"{"pid":-1}"#).contains("not whole"));
        assert!(refused("[]").contains("not whole"));
        let huge = format!("{whole}{}", " ".repeat(LONGEST));
        assert!(refused(&huge).contains("bytes"));
    }
}
