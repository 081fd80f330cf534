//! What is recorded of Claude Code.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::session::Mode;
use stratavore_programs::{Verdict, adapter};
use stratavore_testkit::TempHome;
use stratavore_testkit::claude::{self, ClaudeCode, PROMPT};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};

use super::{Plays, held};
use crate::recording::{Program, Recording};

/// Types of rows that hold much and say nothing that is read.
const BULKY: [&str; 5] = [
    "attachment",
    "file-history-snapshot",
    "api-request",
    "api-request-blob",
    "api-request-shape",
];

pub(crate) struct Claude;

fn installed() -> ClaudeCode {
    ClaudeCode::install().expect("installed")
}

impl Program for Claude {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn version(&self) -> String {
        claude::version()
    }

    fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
        _project: &Path,
    ) -> BTreeMap<String, String> {
        let mut environment = installed().prepare(home, api, proxy).expect("prepared");
        // An error is told at once, and not after ten attempts.
        environment.insert("CLAUDE_CODE_MAX_RETRIES".to_owned(), "0".to_owned());
        // One whose price is known, so that what it cost can be compared.
        environment.insert("ANTHROPIC_MODEL".to_owned(), "claude-opus-5".to_owned());
        environment
    }

    fn argv(&self) -> Vec<String> {
        installed().argv()
    }

    fn prompt(&self) -> &'static str {
        PROMPT
    }

    fn keep(&self, row: Value) -> Option<Value> {
        let bulky = BULKY.contains(&row["type"].as_str().unwrap_or_default());
        (!bulky).then_some(row)
    }
}

pub(crate) const ALL: Plays = &[
    ("working", working),
    ("permission-by-key", permission_by_key),
    ("permission-by-hook", permission_by_hook),
    ("permission-refused-by-hook", permission_refused_by_hook),
    (
        "permission-beside-another-tool",
        permission_beside_another_tool,
    ),
    ("question", question),
    ("plan", plan),
    ("escape", escape),
    ("clear", clear),
    ("compaction", compaction),
    ("subagent", subagent),
    ("background", background),
    ("api-error", api_error),
    ("rate-limit", rate_limit),
    ("killed-and-resumed", killed_and_resumed),
    ("forked", forked),
];

const ASKED: &str = "Do you want to";

/// What is shown while it works.
const WORKING: &str = "esc to interrupt";

fn tool(name: &str, input: serde_json::Value) -> Answer {
    Answer::Tool {
        name: name.to_owned(),
        input,
    }
}

fn turn(run: &mut Recording) {
    run.api
        .answer_when("good morning", Answer::text("Good morning."));
    run.ask("good morning");
    run.shows("Good morning.");
    run.hides(WORKING);
    run.true_now("idle", None);
}

fn working(run: &mut Recording) {
    run.true_now("idle", None);
    run.api.answer_when("think hard", held("Thought."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    run.api.release();
    run.shows("Thought.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn asked(run: &mut Recording, command: &str) {
    run.api.answer_when("make the file", Answer::bash(command));
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

fn permission_by_hook(run: &mut Recording) {
    run.hook_waits();
    run.api.answer_when("done with it", held("It is done."));
    asked(run, "touch made; echo done with it");
    let answer = adapter("claude").answer("PermissionRequest", &Verdict::Allow);
    run.answers(&answer.expect("an answer"));
    run.hides(ASKED);
    run.until("the file", |it| it.project().join("made").exists());
    run.true_now("working", None);
    run.api.release();
    run.shows("It is done.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn permission_refused_by_hook(run: &mut Recording) {
    run.hook_waits();
    run.api
        .answer_when("not on a Monday", Answer::text("I see."));
    asked(run, "touch made");
    let deny = Verdict::Deny("not on a Monday".to_owned());
    let answer = adapter("claude").answer("PermissionRequest", &deny);
    run.answers(&answer.expect("an answer"));
    run.shows("I see.");
    run.hides(WORKING);
    assert!(!run.project().join("made").exists(), "it was refused");
    run.true_now("idle", None);
    run.exit();
}

fn permission_beside_another_tool(run: &mut Recording) {
    let both = Answer::Blocks(vec![
        Answer::text("Both at once."),
        tool(
            "Read",
            json!({ "file_path": run.project().join("notes.txt") }),
        ),
        Answer::bash("touch made"),
    ]);
    std::fs::write(run.project().join("notes.txt"), "all is well\n").expect("written");
    run.api.answer_when("do both", both);
    run.ask("do both");
    run.shows(ASKED);
    run.true_now("needs-permission", Some("touch made"));
    run.api
        .answer_when("all is well", Answer::text("Both are done."));
    run.enters(ASKED);
    run.shows("Both are done.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn question(run: &mut Recording) {
    let asks = json!({ "questions": [{
        "question": "Tea or coffee?", "header": "Drink", "multiSelect": false,
        "options": [
            { "label": "Tea", "description": "Leaves" },
            { "label": "Coffee", "description": "Beans" },
        ],
    }] });
    run.api.answer_when("ask me", tool("AskUserQuestion", asks));
    run.api
        .answer_when("Tea or coffee?", Answer::text("Noted."));
    run.ask("ask me");
    run.shows("Tea or coffee?");
    run.true_now("needs-answer", Some("Tea or coffee?"));
    run.enters("Enter to select");
    run.shows("Noted.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn plan(run: &mut Recording) {
    run.api.answer_when(
        "plan it",
        tool("ExitPlanMode", json!({ "plan": "1. Rest." })),
    );
    run.api.answer_when("approved", Answer::text("Off we go."));
    run.types("\x1b[Z\x1b[Z");
    run.shows("plan mode on");
    run.ask("plan it");
    run.shows("Exit plan mode?");
    run.true_now("needs-permission", Some("plan"));
    run.types("\x1b");
    run.hides("Exit plan mode?");
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
    // What was asked stands in the prompt again.
    run.types("\x15");
    run.hides("think hard");
    asked(run, "touch made");
    run.types("\x1b");
    run.hides(ASKED);
    run.true_now("idle", None);
    run.exit();
}

fn clear(run: &mut Recording) {
    turn(run);
    let before = run.session();
    run.ask("/clear");
    run.until("another session", |it| it.session() != before);
    run.true_now("idle", None);
    run.api
        .answer_when("once more", Answer::text("Welcome back."));
    run.ask("once more");
    run.shows("Welcome back.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn compaction(run: &mut Recording) {
    turn(run);
    run.api.answer_when(
        "summary of the conversation",
        held("<summary>A greeting.</summary>"),
    );
    run.ask("/compact");
    run.shows("Compacting");
    run.true_now("working", None);
    run.api.release();
    run.hides("Compacting");
    run.true_now("idle", None);
    run.exit();
}

fn subagent(run: &mut Recording) {
    let task = json!({ "description": "Look around", "subagent_type": "general-purpose",
        "run_in_background": false, "prompt": "scout the directory" });
    run.api.answer_when("send a scout", tool("Agent", task));
    run.api
        .answer_when("scout the directory", Answer::bash("touch scouted"));
    run.api
        .answer_when("scouted it all", Answer::text("The scout is back."));
    run.ask("send a scout");
    run.shows(ASKED);
    run.true_now("needs-permission", Some("touch scouted"));
    // The scout works on while the conversation itself has nothing to do.
    run.api.answer_when("", held("The scout is back."));
    run.enters(ASKED);
    run.until("the file", |it| it.project().join("scouted").exists());
    run.api.release();
    run.shows("● The scout is back.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}

fn background(run: &mut Recording) {
    let input = json!({ "command": "touch made; sleep 30", "description": "Wait", "run_in_background": true });
    run.api.answer_when("wait behind", tool("Bash", input));
    run.ask("wait behind");
    run.shows(ASKED);
    run.true_now("needs-permission", Some("touch made; sleep 30"));
    run.enters(ASKED);
    run.shows("I heard:");
    run.hides(WORKING);
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
    run.shows("API Error");
    run.hides(WORKING);
    run.true_now("errored", None);
    turn(run);
    run.exit();
}

fn rate_limit(run: &mut Recording) {
    let error = Answer::Error {
        status: 429,
        kind: "rate_limit_error".to_owned(),
    };
    run.api.answer_when("too much", error);
    run.ask("too much");
    run.shows("API Error");
    run.hides(WORKING);
    run.true_now("rate-limited", None);
    // A subscription's limit tells when it ends.
    let ends = Timestamp::from_timestamp(SystemClock.now().timestamp() + 3600, 0);
    let spent = Answer::Error {
        status: 429,
        kind: format!(
            "Claude AI usage limit reached|{}",
            ends.expect("a time").timestamp()
        ),
    };
    run.api.answer_when("spend it all", spent);
    run.ask("spend it all");
    run.shows("reached|");
    run.hides(WORKING);
    run.true_until("rate-limited", Some("limit reached"), ends);
    turn(run);
    run.exit();
}

fn killed_and_resumed(run: &mut Recording) {
    turn(run);
    run.api.answer_when("think hard", held("Never."));
    run.ask("think hard");
    run.shows(WORKING);
    run.true_now("working", None);
    let session = run.session();
    run.kill();
    run.begin(&Mode::Resume(session.clone()));
    run.until("the same session", |it| it.session() == session);
    run.true_now("idle", None);
    run.exit();
}

fn forked(run: &mut Recording) {
    turn(run);
    let session = run.session();
    run.exit();
    run.begin(&Mode::Fork(session.clone()));
    run.until("another session", |it| it.session() != session);
    run.api
        .answer_when("on we go", Answer::text("Another way."));
    run.ask("on we go");
    run.shows("Another way.");
    run.hides(WORKING);
    run.true_now("idle", None);
    run.exit();
}
