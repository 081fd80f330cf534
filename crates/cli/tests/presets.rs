//! Presets: listed, shown, set, removed, shared.

mod support;

use std::fs;
use std::process::Stdio;

use serde_json::json;
use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::host::{FakeHost, World, project, runner};
use support::{Run, places, run, run_with};

fn preset(name: &str, of: &str, toml: &str) -> v1::Preset {
    v1::Preset {
        name: name.into(),
        of: of.into(),
        toml: toml.into(),
        ..v1::Preset::default()
    }
}

fn scene() -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let base = v1::Preset {
        program: Some("claude".into()),
        args: vec!["--model".into(), "opus 4".into()],
        description: Some("The careful one".into()),
        ..preset(
            "base",
            "person",
            "description = \"The careful one\"\nprogram = \"claude\"\nargs = [\"--model\", \"opus 4\"]\n",
        )
    };
    let review = v1::Preset {
        inherits: Some("base".into()),
        worktree: true,
        mode: Some("new".into()),
        ..v1::Preset {
            name: "review".into(),
            toml: "inherits = \"base\"\nworktree = true\n".into(),
            ..base.clone()
        }
    };
    let circle = v1::Preset {
        problem: Some("the presets inherit in a circle: a → b → a".into()),
        inherits: Some("b".into()),
        ..preset("a", "project", "inherits = \"b\" # \x1b[2J\n")
    };
    let theirs = v1::Preset {
        command: vec!["make".into(), "agent".into()],
        ..preset("base", "project", "command = [\"make\", \"agent\"]\n")
    };
    let world = World {
        projects: vec![project("api")],
        presets: vec![base, review, circle, theirs],
        launched: Some(runner("fresh")),
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

/// Runs with a text on stdin.
fn run_reading(home: &TempHome, args: &[&str], text: &str) -> Run {
    let file = home.path().join("stdin");
    fs::write(&file, text).unwrap();
    run_with(home, args, |command| {
        command.stdin(Stdio::from(fs::File::open(&file).unwrap()));
    })
}

fn saved(host: &FakeHost) -> Vec<String> {
    let world = host.world();
    let saved = world.asked.iter();
    saved
        .filter(|asked| asked.starts_with("SavePresetRequest"))
        .cloned()
        .collect()
}

#[test]
fn presets_are_listed_shown_and_removed() {
    let (_host, home) = scene();
    for (name, args) in [
        ("list", &["preset", "list"][..]),
        ("list_project", &["preset", "list", "--project", "api"]),
        ("show", &["preset", "show", "review"]),
        ("show_base", &["preset", "show", "base"]),
        (
            "show_base_of_project",
            &["preset", "show", "base", "--project", "api"],
        ),
        ("show_circle", &["preset", "show", "a", "--project", "api"]),
        ("show_none", &["preset", "show", "a"]),
        ("export", &["preset", "export"]),
        ("export_one", &["preset", "export", "review"]),
        (
            "export_project",
            &["preset", "export", "base", "--project", "api"],
        ),
        ("export_none", &["preset", "export", "nothing"]),
        ("remove", &["preset", "remove", "review"]),
        ("remove_again", &["preset", "remove", "review"]),
    ] {
        let shown = run(&home, args);
        insta::assert_snapshot!(name, shown.shown());
        assert!(!shown.stdout.contains('\x1b'), "nothing of it is obeyed");
    }
    assert_eq!(
        run(&home, &["preset", "remove", "base", "--json"]).json(),
        json!({ "removed": "base" })
    );
    insta::assert_snapshot!("list_empty", run(&home, &["preset", "list"]).shown());
}

#[test]
fn a_preset_is_set_by_flags_a_file_or_stdin() {
    let (host, home) = scene();
    let flags = [
        "preset",
        "set",
        "fast",
        "--inherits",
        "base",
        "--description",
        "Quick",
        "--program",
        "codex",
        "--mode",
        "continue",
        "--env",
        "A=b=c",
        "--restart",
        "on-failure",
        "--worktree",
        "--record",
        "--",
        "--model",
        "o \"4\"",
    ];
    insta::assert_snapshot!("set", run(&home, &flags).shown());
    fs::write(
        home.path().join("p.toml"),
        "# mine\ncommand = ['make', 'x']\n",
    )
    .unwrap();
    assert_eq!(run(&home, &["preset", "set", "made", "p.toml"]).code, 0);
    let piped = ["preset", "set", "piped", "-", "--json"];
    let shown = run_reading(&home, &piped, "program = 'gemini'\n").json();
    assert_eq!(shown["name"], "piped");
    insta::assert_snapshot!("save_requests", saved(&host).join("\n"));
}

#[test]
fn what_is_exported_is_imported_the_inherited_first() {
    let (_host, home) = scene();
    let exported = run(&home, &["preset", "export"]).stdout;
    let other = TempHome::new();
    let host = FakeHost::start(&places(&other), World::default());
    let import = ["preset", "import", "-"];
    insta::assert_snapshot!("import", run_reading(&other, &import, &exported).shown());
    insta::assert_snapshot!("import_requests", saved(&host).join("\n"));
    // The same again changes nothing, and takes no place of another.
    assert_eq!(run_reading(&other, &import, &exported).code, 0);
    assert_eq!(run(&other, &["preset", "export"]).stdout, exported);
    let changed = exported.replace("opus 4", "haiku");
    let before = saved(&host).len();
    let refused = run_reading(&other, &import, &changed);
    assert_eq!(refused.code, 6, "{}", refused.shown());
    insta::assert_snapshot!("import_taken", refused.shown());
    assert_eq!(saved(&host).len(), before, "nothing of it was saved");
    let replace = ["preset", "import", "-", "--replace"];
    assert_eq!(run_reading(&other, &replace, &changed).code, 0);
    assert_eq!(run(&other, &["preset", "export"]).stdout, changed);
}

#[test]
fn one_that_inherits_from_a_projects_is_imported() {
    let (host, home) = scene();
    let text = "[presets.x]\ninherits = \"theirs\"\n[presets.y]\ninherits = \"x\"\n";
    let shown = run_reading(&home, &["preset", "import", "-"], text);
    assert_eq!(shown.code, 0, "{}", shown.shown());
    assert_eq!(saved(&host).len(), 2);
}

#[test]
fn presets_that_make_no_sense() {
    let (host, home) = scene();
    for (name, text) in [
        ("no_toml", "program = claude\n"),
        ("unknown_key", "programme = \"claude\"\n"),
        ("wrong_kind", "args = \"-x\"\n"),
        ("unknown_program", "program = \"vi\"\n"),
        ("both", "program = \"claude\"\ncommand = [\"x\"]\n"),
        ("bad_mode", "mode = \"sideways\"\n"),
        ("several", "[presets.x]\nprogram = \"claude\"\n"),
        ("binary", "\u{0}\u{1b}[2J"),
    ] {
        let refused = run_reading(&home, &["preset", "set", "x", "-"], text);
        assert_eq!(refused.code, 2, "{}", refused.shown());
        insta::assert_snapshot!(format!("bad_{name}"), refused.shown());
    }
    for (name, text) in [
        (
            "circle",
            "[presets.x]\ninherits = \"y\"\n[presets.y]\ninherits = \"x\"\n",
        ),
        (
            "one_of_two",
            "[presets.x]\nprogram = \"claude\"\n[presets.y]\nprogram = \"vi\"\n",
        ),
        ("no_presets", "program = \"claude\"\n"),
        ("presets_of_another_kind", "presets = 3\n"),
    ] {
        let refused = run_reading(&home, &["preset", "import", "-"], text);
        assert_eq!(refused.code, 2, "{}", refused.shown());
        insta::assert_snapshot!(format!("bad_import_{name}"), refused.shown());
    }
    for (name, args, code) in [
        (
            "missing_file",
            &["preset", "set", "x", "nowhere.toml"][..],
            1,
        ),
        ("nothing", &["preset", "set", "x"], 2),
        (
            "file_and_flags",
            &["preset", "set", "x", "-", "--record"],
            2,
        ),
        (
            "program_and_command",
            &["preset", "set", "x", "--program", "codex", "--command", "y"],
            2,
        ),
    ] {
        let refused = run(&home, args);
        assert_eq!(refused.code, code, "{}", refused.shown());
        insta::assert_snapshot!(format!("bad_set_{name}"), refused.shown());
    }
    let huge = "#".repeat((1 << 20) + 1);
    let refused = run_reading(&home, &["preset", "set", "x", "-"], &huge);
    insta::assert_snapshot!("bad_huge", refused.shown());
    assert_eq!(saved(&host), Vec::<String>::new());
}
