//! What is recorded of OpenCode.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stratavore_core::session::Mode;
use stratavore_testkit::TempHome;
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};
use stratavore_testkit::opencode::{OpenCode, PROMPT, VERSION};

use super::{Plays, held};
use crate::recording::{Program, Recording};

pub(crate) struct Anomaly;

fn installed() -> OpenCode {
    OpenCode::install().expect("installed")
}

impl Program for Anomaly {
    fn name(&self) -> &'static str {
        "opencode"
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
    ("killed-and-continued", killed_and_continued),
];

/// What the dialog shows that asks for a permission.
const ASKED: &str = "Permission required";

/// What is shown while it works.
const WORKING: &str = "esc interrupt";

/// It says nothing of its state: whatever is true, it is not known.
const NOT_KNOWN: &str = "unknown";

fn working(run: &mut Recording) {
    run.true_now(NOT_KNOWN, None);
    run.api.answer_when("think hard", held("It is thought."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now(NOT_KNOWN, None);
    run.api.release();
    run.shows("It is thought.");
    run.hides(WORKING);
    run.true_now(NOT_KNOWN, None);
    run.kill();
}

fn permission_by_key(run: &mut Recording) {
    let call = Answer::Tool {
        name: "bash".to_owned(),
        input: json!({ "command": "touch made; echo done with it", "description": "As the test says" }),
    };
    run.api.answer_when("make the file", call);
    run.api
        .answer_when("done with it", Answer::text("It is done."));
    run.ask("make the file");
    run.shows(ASKED);
    run.true_now(NOT_KNOWN, None);
    run.enters(ASKED);
    run.until("the file", |it| it.project().join("made").exists());
    run.shows("It is done.");
    run.true_now(NOT_KNOWN, None);
    run.kill();
}

fn killed_and_continued(run: &mut Recording) {
    run.api
        .answer_when("good morning", Answer::text("Good morning to you."));
    run.ask("good morning");
    run.shows("Good morning to you.");
    run.true_now(NOT_KNOWN, None);
    run.kill();
    run.begin_showing(&Mode::Continue, "Good morning to you.");
    run.true_now(NOT_KNOWN, None);
    run.kill();
}
