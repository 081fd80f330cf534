//! What is a person's own stays theirs: the settings of each program are as they were after a launch, a turn and a stop, and their
//! own hooks run beside ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use stratavore_testkit::model_api::Answer;
use stratavore_testkit::wait_until;

use crate::support::SOON;
use crate::world::World;

/// Every file below directories of settings that a person may have written, and what is in it.
fn kept(files: &[PathBuf]) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let read = |path: &PathBuf| (path.clone(), fs::read(path).ok());
    files.iter().map(read).collect()
}

/// Holds a turn, waits for what follows it, stops the runner, and says what became of these files.
async fn a_turn_leaves(world: &World, files: &[PathBuf], ended: impl Fn()) {
    let before = kept(files);
    assert!(before.values().any(Option::is_some), "there are settings");
    world
        .api
        .answer_when("say it", Answer::text("It was said."));
    world.launch("r").await;
    world.needs("r", "idle").await;
    world.ask("r", "say it").await;
    world.host.shows("r", "It was said.").await;
    ended();
    world.host.stop("r", 10).await;
    for (path, was) in before {
        let is = fs::read(&path).ok();
        assert!(
            is == was,
            "{} was {:?} and is {:?}",
            path.display(),
            was.map(|was| String::from_utf8_lossy(&was).into_owned()),
            is.map(|is| String::from_utf8_lossy(&is).into_owned())
        );
    }
}

/// Settings with a hook at the end of a turn that notes that it ran. Written as nobody else would write them.
fn hooked(note: &Path) -> String {
    let hook = json!({ "type": "command", "command": format!("echo ran >> '{}'", note.display()) });
    format!(
        "{{\n\n    \"hooks\":  {{ \"Stop\": [ {{ \"hooks\": [ {hook} ] }} ] }}, \"env\": {{ \"A\": \"ä\" }} }}\n\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_claude_code_stay_byte_for_byte_and_their_hooks_run() {
    let world = World::begin().await;
    let (home, project) = (world.host.home.home(), world.project.clone());
    let files = [
        home.join(".claude/settings.json"),
        project.join(".claude/settings.json"),
        project.join(".claude/settings.local.json"),
    ];
    let note = |nth: usize| world.host.home.path().join(format!("ran-{nth}"));
    for (nth, file) in files.iter().enumerate() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, hooked(&note(nth))).unwrap();
    }
    let mut all = files.to_vec();
    // None of these is made, either.
    all.extend([
        home.join(".claude/settings.local.json"),
        project.join(".mcp.json"),
    ]);
    let hooks_ran = || {
        for nth in 0..files.len() {
            wait_until(SOON, "the person's own hook ran", || note(nth).exists());
        }
    };
    a_turn_leaves(&world, &all, hooks_ran).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_codex_stay_byte_for_byte() {
    let world = World::codex().await;
    let home = world.host.home.home();
    let files = [
        home.join(".codex/config.toml"),
        home.join(".codex/hooks.json"),
        world.project.join(".codex/config.toml"),
    ];
    // What Codex itself notes there at its first start, whoever starts it, so that it has nothing left to note.
    let seen = "\n[tui]\nscreen_reader_detection_done = true\n\n[tui.model_availability_nux]\n\"gpt-6.1-sol\" = 1000\n\n# mine\n";
    let mut settings = fs::read_to_string(&files[0]).unwrap();
    settings.push_str(seen);
    fs::write(&files[0], settings).unwrap();
    a_turn_leaves(&world, &files, || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_gemini_stay_byte_for_byte() {
    let world = World::gemini().await;
    let files = [
        world.host.home.home().join(".gemini/settings.json"),
        world.project.join(".gemini/settings.json"),
    ];
    a_turn_leaves(&world, &files, || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_opencode_stay_byte_for_byte() {
    let world = World::opencode().await;
    let config = world.host.home.home().join(".config/opencode");
    let mut files: Vec<_> = ["opencode.json", "opencode.jsonc", "tui.json", "config.json"]
        .map(|name| config.join(name))
        .to_vec();
    files.extend([
        world.project.join("opencode.json"),
        world.project.join(".opencode/opencode.json"),
    ]);
    a_turn_leaves(&world, &files, || ()).await;
}
