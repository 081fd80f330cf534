//! A recording of a whole run.

mod support;

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use stratavore_agent::process::Stat;
use stratavore_wire::{Message, Resize};
use support::*;

fn lines(rig: &Rig) -> Vec<Value> {
    let text = fs::read_to_string(rig.attempt("recording.cast")).unwrap_or_default();
    text.lines()
        .map_while(|line| serde_json::from_str(line).ok())
        .collect()
}

fn written(rig: &Rig) -> String {
    lines(rig)
        .iter()
        .filter(|line| line[1] == "o")
        .map(|line| line[2].as_str().unwrap())
        .collect()
}

#[test]
fn a_whole_run_is_recorded_and_survives_the_agent() {
    let mut rig = Rig::script(
        "stty -echo; echo ready; read x; printf '\\033[1mbold\\033[m gr\\303\\274n\\n'; exec cat",
    );
    rig.launch.record = true;
    let (_line, _) = rig.start();
    rig.shows("ready");
    let (mut viewer, _) = rig.attach(80, 24, false);
    viewer.say(&Message::Resize(Resize {
        columns: 100,
        rows: 30,
    }));
    viewer.type_in("secret\n");
    rig.shows("grün");
    let agent = rig.record().agent_pid;
    Stat::read(agent).unwrap().process.signal(Signal::KILL);
    until("the agent to be gone", || (!alive(agent)).then_some(()));
    let recorded = lines(&rig);
    assert_eq!(
        (&recorded[0]["version"], &recorded[0]["width"]),
        (&Value::from(2), &Value::from(80))
    );
    assert!(
        recorded
            .iter()
            .any(|line| line[1] == "r" && line[2] == "100x30")
    );
    assert_eq!(written(&rig), "ready\r\n\x1b[1mbold\x1b[m grün\r\n");
    let times: Vec<f64> = recorded[1..]
        .iter()
        .map(|line| line[0].as_f64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    // What was typed is nowhere in it.
    let file = fs::read_to_string(rig.attempt("recording.cast")).unwrap();
    assert!(!file.contains("secret"));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(rig.attempt("recording.cast"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn nothing_is_recorded_unless_asked() {
    let rig = Rig::script("echo ready; exec cat");
    let (_line, _) = rig.start();
    rig.shows("ready");
    assert!(!rig.attempt("recording.cast").exists());
}
