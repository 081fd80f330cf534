//! What is recorded of OpenCode.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stratavore_core::session::Mode;
use stratavore_programs::{Verdict, adapter};
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
    ("permission-by-hook", permission_by_hook),
    ("permission-refused", permission_refused),
    ("permission-of-a-subagent", permission_of_a_subagent),
    ("question", question),
    ("escape", escape),
    ("api-error", api_error),
    ("rate-limited", rate_limited),
    ("new", new),
    ("killed-and-continued", killed_and_continued),
    ("killed-and-resumed", killed_and_resumed),
    ("forked", forked),
];

/// What the dialog shows that asks for a permission.
const ASKED: &str = "Permission required";

/// What is shown while it works.
const WORKING: &str = "esc interrupt";

/// What it shows when Esc must be pressed once more.
const AGAIN: &str = "esc again";

/// The command that a permission is asked for.
const COMMAND: &str = "touch made; echo done with it";

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
        name: "bash".to_owned(),
        input: json!({ "command": COMMAND, "description": "As the test says" }),
    };
    run.api.answer_when("make the file", call);
    run.ask("make the file");
    run.shows(ASKED);
    run.true_now("needs-permission", Some(COMMAND));
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

fn permission_by_hook(run: &mut Recording) {
    run.hook_waits();
    run.api
        .answer_when("done with it", Answer::text("It is done."));
    asked(run);
    let allowed = adapter("opencode").answer("PermissionRequest", &Verdict::Allow);
    run.answers(&allowed.expect("an answer"));
    run.until("the file", |it| it.project().join("made").exists());
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

fn permission_of_a_subagent(run: &mut Recording) {
    let call = Answer::Tool {
        name: "task".to_owned(),
        input: json!({ "description": "Make it", "prompt": "make the file", "subagent_type": "general" }),
    };
    run.api.answer_when("have it made", call);
    let call = Answer::Tool {
        name: "bash".to_owned(),
        input: json!({ "command": COMMAND, "description": "As the test says" }),
    };
    run.api.answer_when("make the file", call);
    run.api
        .answer_when("done with it", Answer::text("The agent made it."));
    run.ask("have it made");
    run.shows(ASKED);
    run.true_now("needs-permission", Some(COMMAND));
    run.enters(ASKED);
    run.until("the file", |it| it.project().join("made").exists());
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn question(run: &mut Recording) {
    let questions = json!({ "questions": [{
        "question": "Tea or coffee?", "header": "Drink",
        "options": [
            { "label": "Tea", "description": "Leaves" },
            { "label": "Coffee", "description": "Beans" },
        ],
    }] });
    let call = Answer::Tool {
        name: "question".to_owned(),
        input: questions,
    };
    run.api.answer_when("ask me", call);
    run.ask("ask me");
    run.shows("Tea or coffee?");
    run.true_now("needs-answer", Some("Tea or coffee?"));
    run.types("\x1b");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn escape(run: &mut Recording) {
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    run.types("\x1b");
    run.shows(AGAIN);
    run.types("\x1b");
    run.hides(AGAIN);
    run.true_now("idle", None);
    run.kill();
}

fn api_error(run: &mut Recording) {
    let error = Answer::Error {
        status: 400,
        kind: "invalid_request_error".to_owned(),
    };
    run.api.answer_when("break it", error);
    run.ask("break it");
    run.shows("as the test says");
    run.true_now("errored", Some("as the test says"));
    turn(run);
    run.kill();
}

fn rate_limited(run: &mut Recording) {
    let error = Answer::Error {
        status: 429,
        kind: "rate_limit_error".to_owned(),
    };
    run.api.answer_when("too much", error);
    run.ask("too much");
    run.shows("as the test says");
    run.true_now("rate-limited", Some("rate_limit_error"));
    run.types("\x1b");
    run.shows(AGAIN);
    run.types("\x1b");
    run.hides(AGAIN);
    run.true_now("idle", None);
    run.kill();
}

fn new(run: &mut Recording) {
    turn(run);
    let session = run.hooked_session().expect("a session");
    run.ask("/new");
    run.hides("Good morning to you.");
    run.true_now("idle", None);
    run.api.answer_when("think hard", held("It is thought."));
    run.ask("think hard");
    run.shows(WORKING);
    run.until("another session", |it| {
        it.hooked_session().is_some_and(|it| it != session)
    });
    run.true_now("working", None);
    run.api.release();
    run.shows("It is thought.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn killed_and_continued(run: &mut Recording) {
    turn(run);
    let session = run.hooked_session();
    run.kill();
    run.begin_showing(&Mode::Continue, "Good morning to you.");
    run.until("the same session", |it| it.hooked_session() == session);
    run.true_now("idle", None);
    run.kill();
}

fn killed_and_resumed(run: &mut Recording) {
    turn(run);
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    let session = run.hooked_session().expect("a session");
    run.kill();
    run.begin_showing(&Mode::Resume(session.clone()), "Good morning to you.");
    run.true_now("idle", None);
    run.api
        .answer_when("on we go", Answer::text("The same way."));
    run.ask("on we go");
    run.shows("The same way.");
    run.until("the same session", |it| {
        it.hooked_session().as_ref() == Some(&session)
    });
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}

fn forked(run: &mut Recording) {
    turn(run);
    let session = run.hooked_session().expect("a session");
    run.kill();
    run.begin_showing(&Mode::Fork(session.clone()), "Good morning to you.");
    run.api
        .answer_when("on we go", Answer::text("Another way."));
    run.ask("on we go");
    run.shows("Another way.");
    run.until("another session", |it| {
        it.hooked_session().is_some_and(|it| it != session)
    });
    run.hides(WORKING);
    run.true_now("idle", None);
    run.kill();
}
