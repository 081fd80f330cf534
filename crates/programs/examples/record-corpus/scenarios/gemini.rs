//! What is recorded of Gemini CLI.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stratavore_core::session::Mode;
use stratavore_testkit::TempHome;
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::gemini::{Gemini, PROMPT, VERSION};
use stratavore_testkit::model_api::{Answer, ModelApi};

use super::{Plays, held};
use crate::recording::{Program, Recording};

pub(crate) struct Google;

fn installed() -> Gemini {
    Gemini::install().expect("installed")
}

impl Program for Google {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
        _project: &Path,
    ) -> BTreeMap<String, String> {
        installed().prepare(home, api, proxy).expect("prepared")
    }

    fn argv(&self) -> Vec<String> {
        installed().argv()
    }

    fn prompt(&self) -> &'static str {
        PROMPT
    }

    fn keep(&self, row: Value) -> Option<Value> {
        Some(row)
    }
}

pub(crate) const ALL: Plays = &[
    ("working", working),
    ("permission-by-key", permission_by_key),
    ("permission-refused", permission_refused),
    ("escape", escape),
    ("killed-and-resumed", killed_and_resumed),
];

/// What the dialog shows that asks for a permission.
const ASKED: &str = "Allow execution of";

/// What is shown while it works.
const WORKING: &str = "esc to cancel";

fn turn(run: &mut Recording) {
    run.api
        .answer_when("good morning", Answer::text("Good morning to you."));
    run.ask("good morning");
    run.shows("Good morning to you.");
    run.hides(WORKING);
    run.true_now("idle", None);
}

fn working(run: &mut Recording) {
    run.true_now("idle", None);
    run.api.answer_when("think hard", held("It is thought."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    run.api.release();
    run.shows("It is thought.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn asked(run: &mut Recording) {
    let call = Answer::Tool {
        name: "run_shell_command".to_owned(),
        input: json!({ "command": "touch made; echo done with it", "description": "As the test says" }),
    };
    run.api.answer_when("make the file", call);
    run.ask("make the file");
    run.shows(ASKED);
    run.true_now("needs-permission", None);
}

fn permission_by_key(run: &mut Recording) {
    run.api.answer_when("done with it", held("It is done."));
    asked(run);
    run.enters(ASKED);
    run.until("the file", |it| it.project().join("made").exists());
    run.shows(WORKING);
    run.true_now("working", None);
    run.api.release();
    run.shows("It is done.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn permission_refused(run: &mut Recording) {
    asked(run);
    run.types("\x1b");
    run.hides(ASKED);
    run.true_now("idle", None);
    assert!(!run.project().join("made").exists(), "it was refused");
    run.kill();
}

fn escape(run: &mut Recording) {
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    run.types("\x1b");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn killed_and_resumed(run: &mut Recording) {
    turn(run);
    let session = run.named_session().expect("it was named");
    run.kill();
    run.begin(&Mode::Resume(session));
    run.shows("Good morning to you.");
    run.true_now("idle", None);
    run.api
        .answer_when("on we go", Answer::text("The same way."));
    run.ask("on we go");
    run.shows("The same way.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}
