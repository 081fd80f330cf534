//! What is recorded of Codex.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stratavore_core::session::Mode;
use stratavore_testkit::TempHome;
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::codex::{Codex, PROMPT, VERSION};
use stratavore_testkit::model_api::{Answer, ModelApi};

use super::{Plays, held};
use crate::recording::{Program, Recording};

/// Parts of rows that are long and say nothing that is read.
const LONG: [&str; 4] = [
    "base_instructions",
    "collaboration_mode",
    "dynamic_tools",
    "user_instructions",
];

pub(crate) struct OpenAi;

fn installed() -> Codex {
    Codex::install().expect("installed")
}

impl Program for OpenAi {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
        project: &Path,
    ) -> BTreeMap<String, String> {
        let prepared = installed().prepare(home, api, proxy, project);
        prepared.expect("prepared")
    }

    fn argv(&self) -> Vec<String> {
        installed().argv()
    }

    fn prompt(&self) -> &'static str {
        PROMPT
    }

    fn keep(&self, mut row: Value) -> Option<Value> {
        let payload = &row["payload"];
        // What the program tells the model of itself is long, and its own.
        let own = payload["type"] == "message" && payload["role"] != "assistant";
        let settings = payload["type"] == "thread_settings_applied";
        if own || settings || row["type"] == "world_state" {
            return None;
        }
        if let Some(payload) = row["payload"].as_object_mut() {
            payload.retain(|key, _| !LONG.contains(&key.as_str()));
        }
        Some(row)
    }
}

pub(crate) const ALL: Plays = &[
    ("working", working),
    ("permission-by-key", permission_by_key),
    ("permission-refused", permission_refused),
    ("question", question),
    ("escape", escape),
    ("api-error", api_error),
    ("killed-and-resumed", killed_and_resumed),
    ("forked", forked),
];

/// What the dialog shows that asks for a permission.
const ASKED: &str = "Would you like to run";

/// What is shown while it works.
const WORKING: &str = "esc to interrupt";

fn turn(run: &mut Recording) {
    run.api
        .answer_when("good morning", Answer::text("Good morning to you."));
    run.ask("good morning");
    run.shows("Good morning to you.");
    run.shows("Worked for");
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
    run.exit();
}

fn asked(run: &mut Recording, command: &str) {
    let input = json!({ "cmd": command, "sandbox_permissions": "require_escalated", "justification": "May it be made?" });
    let call = Answer::Tool {
        name: "exec_command".to_owned(),
        input,
    };
    run.api.answer_when("make the file", call);
    run.ask("make the file");
    run.shows(ASKED);
    run.true_now("needs-permission", Some(command));
}

fn permission_by_key(run: &mut Recording) {
    run.api.answer_when("done with it", held("It is done."));
    asked(run, "touch made; echo done with it");
    run.enters(ASKED);
    run.until("the file", |it| it.project().join("made").exists());
    run.shows(WORKING);
    run.true_now("working", None);
    run.api.release();
    run.shows("It is done.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn permission_refused(run: &mut Recording) {
    asked(run, "touch made");
    run.types("\x1b");
    run.hides(ASKED);
    run.true_now("idle", None);
    assert!(!run.project().join("made").exists(), "it was refused");
    run.exit();
}

fn question(run: &mut Recording) {
    let questions = json!({ "questions": [{
        "id": "drink", "header": "Drink", "question": "Tea or coffee?",
        "options": [
            { "label": "Tea (Recommended)", "description": "Leaves" },
            { "label": "Coffee", "description": "Beans" },
        ],
    }] });
    let call = Answer::Tool {
        name: "request_user_input".to_owned(),
        input: questions,
    };
    run.api.answer_when("ask me", call);
    // It asks only while it plans.
    run.ask("/plan");
    run.hides("/plan");
    run.ask("ask me");
    run.shows("Tea or coffee?");
    run.true_now("needs-answer", None);
    run.types("\x1b");
    run.hides("Tea or coffee?");
    run.true_now("idle", None);
    run.exit();
}

fn escape(run: &mut Recording) {
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    run.types("\x1b");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn api_error(run: &mut Recording) {
    let error = Answer::Error {
        status: 400,
        kind: "invalid_request_error".to_owned(),
    };
    run.api.answer_when("break it", error);
    run.ask("break it");
    run.shows("as the test says");
    run.true_now("errored", None);
    turn(run);
    run.exit();
}

fn killed_and_resumed(run: &mut Recording) {
    turn(run);
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    let session = run.hooked_session().expect("a session");
    run.kill();
    run.begin(&Mode::Resume(session.clone()));
    run.shows("Good morning to you.");
    run.true_now("idle", None);
    run.api
        .answer_when("on we go", Answer::text("The same way."));
    run.ask("on we go");
    run.shows("The same way.");
    run.until("the same session", |it| {
        it.hooked_session().as_ref() == Some(&session)
    });
    run.true_now("idle", None);
    run.exit();
}

fn forked(run: &mut Recording) {
    turn(run);
    let session = run.hooked_session().expect("a session");
    run.exit();
    run.begin(&Mode::Fork(session.clone()));
    run.shows("Good morning to you.");
    run.api
        .answer_when("on we go", Answer::text("Another way."));
    run.ask("on we go");
    run.shows("Another way.");
    run.until("another session", |it| {
        it.hooked_session().as_ref() != Some(&session)
    });
    run.true_now("idle", None);
    run.exit();
}
