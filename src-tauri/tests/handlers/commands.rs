//! Every command that the window can call, through Tauri's own parsing, on its mock runtime: no display, no bus.

use std::sync::atomic::Ordering;

use crate::support::Rig;
use serde_json::{Value, json};
use stratavore_api::{Code, Failure, v1};
use stratavore_desktop::commands;
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::presence::Presence;
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{
    INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets,
};
use tauri::webview::InvokeRequest;
use tauri::{App, WebviewWindow, WebviewWindowBuilder};

struct Window {
    window: WebviewWindow<MockRuntime>,
    rig: Rig,
    _app: App<MockRuntime>,
}

impl Window {
    fn open() -> Self {
        let rig = Rig::new();
        let app = mock_builder()
            .manage(rig.desktop.clone())
            .invoke_handler(commands::handler())
            .build(mock_context(noop_assets()))
            .unwrap();
        let window = WebviewWindowBuilder::new(&app, "main", Default::default())
            .build()
            .unwrap();
        Self {
            window,
            rig,
            _app: app,
        }
    }

    fn call(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        self.invoke(command, InvokeBody::Json(arguments), &[])
    }

    fn invoke(
        &self,
        command: &str,
        body: InvokeBody,
        headers: &[(&str, &str)],
    ) -> Result<Value, Value> {
        let request = InvokeRequest {
            cmd: command.into(),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: "tauri://localhost".parse().unwrap(),
            body,
            headers: headers
                .iter()
                .map(|(key, value)| (key.parse().unwrap(), value.parse().unwrap()))
                .collect::<tauri::http::HeaderMap>(),
            invoke_key: INVOKE_KEY.to_string(),
        };
        get_ipc_response(&self.window, request).map(|body| body.deserialize::<Value>().unwrap())
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.rig.host.state().asked)
    }
}

fn runner(id: &str) -> v1::Runner {
    v1::Runner {
        id: id.into(),
        name: format!("name-{id}"),
        state: "running".into(),
        ..v1::Runner::default()
    }
}

/// The commands that ask the host, with arguments as the window sends them and what the host is then asked.
fn to_the_host() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("status", json!({}), "status"),
        ("doctor", json!({}), "doctor"),
        ("config", json!({}), "config None"),
        (
            "events",
            json!({ "since": "c1", "limit": 5 }),
            "events Some(\"c1\") follow=false Some(5)",
        ),
        (
            "list_projects",
            json!({ "archived": true }),
            "projects archived=true",
        ),
        (
            "add_project",
            json!({ "request": { "name": "api", "path": "/p" } }),
            "add-project api /p",
        ),
        (
            "archive_project",
            json!({ "project": "api" }),
            "archive-project api",
        ),
        ("list_programs", json!({}), "programs"),
        (
            "launch",
            json!({ "request": { "project": "api", "command": ["ls", "-l"] } }),
            "launch api [\"ls\", \"-l\"]",
        ),
        (
            "list_runners",
            json!({ "project": null, "all": true }),
            "runners None all=true",
        ),
        ("get_runner", json!({ "runner": "r1" }), "runner r1"),
        (
            "stop",
            json!({ "request": { "target": { "project": "api" }, "wait": true } }),
            "stop Some(Project(\"api\")) wait=true",
        ),
        ("pause", json!({ "runner": "r1" }), "pause r1"),
        ("continue_runner", json!({ "runner": "r1" }), "continue r1"),
        ("restart", json!({ "runner": "r1" }), "restart r1"),
        (
            "answer_interrupted",
            json!({ "start": true }),
            "answer-interrupted true",
        ),
        (
            "list_sessions",
            json!({ "request": { "project": "api", "limit": 5 } }),
            "sessions Some(\"api\")",
        ),
        ("get_session", json!({ "session": "s1" }), "session s1"),
        (
            "search_sessions",
            json!({ "request": { "query": "token check" } }),
            "search-sessions token check",
        ),
        (
            "read_session",
            json!({ "session": "s1" }),
            "export-session s1",
        ),
        (
            "archive_session",
            json!({ "session": "s1" }),
            "archive-sessions Some(\"s1\")",
        ),
        (
            "resume_session",
            json!({ "request": { "target": "s1", "fork": true } }),
            "resume s1 fork=true",
        ),
        ("reindex", json!({}), "reindex"),
        (
            "usage",
            json!({ "request": { "by": "day", "since": "2026-05-01" } }),
            "usage by=Some(\"day\")",
        ),
        ("list_budgets", json!({}), "budgets"),
        (
            "set_budget",
            json!({ "request": { "scope": "global", "period": "day", "usd": 2.5 } }),
            "set-budget global day",
        ),
        ("remove_budget", json!({ "id": "b1" }), "remove-budget b1"),
        ("list_presets", json!({ "project": null }), "presets None"),
        (
            "save_preset",
            json!({ "request": { "name": "review", "toml": "" } }),
            "save-preset review",
        ),
        (
            "remove_preset",
            json!({ "name": "review" }),
            "remove-preset review",
        ),
    ]
}

#[test]
fn each_command_asks_the_host_what_the_window_asked() {
    for (command, arguments, asked) in to_the_host() {
        let window = Window::open();
        window.rig.host.state().runners.push(runner("r1"));
        window
            .call(command, arguments)
            .unwrap_or_else(|error| panic!("{command} was refused: {error}"));
        assert_eq!(window.asked(), [asked], "{command}");
    }
}

#[test]
fn a_refusal_reaches_the_window_whole() {
    for (command, arguments, _) in to_the_host() {
        let window = Window::open();
        window.rig.host.state().refusal =
            Some(Failure::new(Code::QuotaFull, "no room").hint("stop one"));
        assert_eq!(
            window.call(command, arguments),
            Err(json!({ "code": "quota-full", "message": "no room", "hint": "stop one" })),
            "{command}"
        );
    }
}

#[test]
fn a_permission_is_given_once_and_a_second_answer_is_refused() {
    let window = Window::open();
    let mut asking = runner("r1");
    asking.attention = Some(v1::Attention {
        ask: Some(v1::Ask {
            id: "7".into(),
            ..v1::Ask::default()
        }),
        ..v1::Attention::default()
    });
    window.rig.host.state().runners.push(asking);
    let answer =
        json!({ "request": { "runner": "r1", "ask": "7", "allow": true, "reason": null } });
    assert_eq!(window.call("decide", answer.clone()), Ok(Value::Null));
    assert_eq!(window.asked(), ["decide r1 7 allow=true"]);
    assert_eq!(
        window.call("decide", answer).unwrap_err()["code"],
        "conflict"
    );
}

#[test]
fn an_export_never_writes_over_a_file_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let window = Window::open();
    let folder = window.rig.home.path().join("exports");
    let arguments = json!({ "session": "57180ccb", "folder": folder });
    let refused = window
        .call("export_session", arguments.clone())
        .unwrap_err();
    assert!(
        refused["message"].as_str().unwrap().contains("exports"),
        "{refused}"
    );
    std::fs::create_dir(&folder).unwrap();
    for name in ["session-.md", "session--2.md"] {
        let path = folder.join(name);
        assert_eq!(
            window.call("export_session", arguments.clone()),
            Ok(json!(path))
        );
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn answers_come_as_the_window_reads_them() {
    let window = Window::open();
    window.rig.host.state().runners.push(runner("r1"));
    window.rig.host.state().events.push(v1::Event {
        cursor: "c2".into(),
        r#type: "runner.started".into(),
        ..v1::Event::default()
    });
    let runners = window
        .call("list_runners", json!({ "project": null, "all": false }))
        .unwrap();
    assert_eq!(runners["runners"][0]["name"], "name-r1");
    let events = window
        .call("events", json!({ "since": null, "limit": 5 }))
        .unwrap();
    assert_eq!(
        (&events[0]["cursor"], &events[0]["type"]),
        (&json!("c2"), &json!("runner.started"))
    );
    let unknown = window
        .call("get_runner", json!({ "runner": "nobody" }))
        .unwrap_err();
    assert_eq!(unknown["code"], "not-found");
}

#[test]
fn every_command_that_exists_is_permitted_and_every_permitted_one_exists() {
    let permitted: Vec<&str> = include_str!("../../permissions/window.toml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
        .collect();
    assert!(permitted.len() > 20);
    let window = Window::open();
    window
        .rig
        .desktop
        .presence
        .send_replace(Some(Presence::ALL));
    for command in &permitted {
        let answer = window.call(command, json!({}));
        let missing = format!("Command {command} not found");
        assert_ne!(
            answer,
            Err(json!(missing)),
            "permitted, but there is no such command"
        );
    }
    assert_eq!(
        window.call("nonsense", json!({})),
        Err(json!("Command nonsense not found"))
    );
    for (command, ..) in to_the_host() {
        assert!(permitted.contains(&command), "{command} is not permitted");
    }
}

#[test]
fn a_runner_opens_in_the_users_terminal_emulator() {
    let window = Window::open();
    crate::open_terminal::install_emulator(&window.rig);
    let opened = window.call("open_in_terminal", json!({ "runner": "0199-a" }));
    assert_eq!(opened, Ok(Value::Null));
    assert_eq!(
        crate::open_terminal::call(&window.rig),
        "BIN/foot\nBIN/stratavore\nattach\n0199-a\n"
    );
}

#[test]
fn the_desktop_state_waits_until_it_is_known_and_carries_the_runner_to_show() {
    let window = Window::open();
    window.rig.desktop.post(Letter::Problem("before".into()));
    window.rig.desktop.post(Letter::Attach("r1".into()));
    window.rig.desktop.presence.send_replace(Some(Presence {
        tray: true,
        notifications: false,
    }));
    assert_eq!(
        window.call("desktop_state", json!({})),
        Ok(json!({ "tray": true, "notifications": false, "embedded": true, "attach": "r1" }))
    );
    assert_eq!(
        *window.rig.shell.delivered.lock().unwrap(),
        [Letter::Problem("before".into())]
    );
    assert_eq!(
        window.call("desktop_state", json!({})).unwrap()["attach"],
        Value::Null,
        "it is shown once"
    );
    // The page listens now.
    window.rig.desktop.post(Letter::Attach("r2".into()));
    assert_eq!(
        window.rig.shell.delivered.lock().unwrap().last(),
        Some(&Letter::Attach("r2".into()))
    );
}

#[test]
fn whose_terminals_are_looked_at_is_known_only_while_the_window_has_the_focus() {
    let window = Window::open();
    window
        .call("set_shown_runners", json!({ "runners": ["r1", "r3"] }))
        .unwrap();
    assert!(!window.rig.desktop.is_watched("r1"));
    window.rig.shell.focused.store(true, Ordering::Relaxed);
    let watched = |runner| window.rig.desktop.is_watched(runner);
    assert_eq!(["r1", "r2", "r3"].map(watched), [true, false, true]);
    window
        .call("set_shown_runners", json!({ "runners": [] }))
        .unwrap();
    assert!(!window.rig.desktop.is_watched("r1"));
}

#[test]
fn a_folder_is_picked_or_not() {
    let window = Window::open();
    assert_eq!(window.call("pick_folder", json!({})), Ok(Value::Null));
    *window.rig.shell.folder.lock().unwrap() = Some("/home/me/api".into());
    assert_eq!(
        window.call("pick_folder", json!({})),
        Ok(json!("/home/me/api"))
    );
    use std::os::unix::ffi::OsStringExt;
    *window.rig.shell.folder.lock().unwrap() =
        Some(std::ffi::OsString::from_vec(b"/\xff".to_vec()).into());
    assert_eq!(
        window.call("pick_folder", json!({})).unwrap_err()["code"],
        "invalid"
    );
}

#[test]
fn only_web_and_mail_links_are_opened() {
    let window = Window::open();
    for url in [
        "https://example.com/a",
        "HTTP://example.com",
        "mailto:a@example.com",
    ] {
        window.call("open_link", json!({ "url": url })).unwrap();
    }
    for url in ["file:///etc/passwd", "javascript:alert(1)", "/bin/sh", ""] {
        assert_eq!(
            window.call("open_link", json!({ "url": url })).unwrap_err()["code"],
            "invalid",
            "{url:?}"
        );
    }
    assert_eq!(window.rig.shell.links.lock().unwrap().len(), 3);
}

#[test]
fn starting_at_login_is_switched_and_the_tray_is_told() {
    let window = Window::open();
    let mut nudges = window.rig.desktop.nudges.subscribe();
    assert_eq!(window.call("autostart_get", json!({})), Ok(json!(false)));
    window
        .call("autostart_set", json!({ "enabled": true }))
        .unwrap();
    assert_eq!(window.call("autostart_get", json!({})), Ok(json!(true)));
    assert_eq!(nudges.try_recv().unwrap().entity, "desktop");
    assert!(
        window
            .rig
            .home
            .path()
            .join(".config/autostart/stratavore.desktop")
            .exists()
    );
}

#[test]
fn quitting_keeps_runners_and_stopping_all_comes_before_the_end() {
    let window = Window::open();
    window
        .call("quit", json!({ "stopRunners": false }))
        .unwrap();
    assert!(window.rig.shell.ended.load(Ordering::Relaxed));
    assert_eq!(window.asked(), [] as [&str; 0]);

    let window = Window::open();
    window.call("quit", json!({ "stopRunners": true })).unwrap();
    assert!(window.rig.shell.ended.load(Ordering::Relaxed));
    assert_eq!(window.asked(), ["stop Some(All(true)) wait=true"]);

    let window = Window::open();
    window.rig.host.state().refusal = Some(Failure::new(Code::Internal, "cannot stop"));
    window
        .call("quit", json!({ "stopRunners": true }))
        .unwrap_err();
    assert!(
        !window.rig.shell.ended.load(Ordering::Relaxed),
        "what runs on must not be quit over"
    );
}

#[test]
fn input_without_its_terminal_or_for_a_closed_one_is_refused() {
    let window = Window::open();
    let raw = || InvokeBody::Raw(b"x".to_vec());
    assert_eq!(
        window.invoke("terminal_input", raw(), &[]).unwrap_err()["code"],
        "invalid"
    );
    assert_eq!(
        window
            .invoke("terminal_input", raw(), &[("attachment", "x")])
            .unwrap_err()["code"],
        "invalid"
    );
    let json = InvokeBody::Json(json!({}));
    assert_eq!(
        window
            .invoke("terminal_input", json, &[("attachment", "1")])
            .unwrap_err()["code"],
        "invalid"
    );
    assert_eq!(
        window
            .invoke("terminal_input", raw(), &[("attachment", "1")])
            .unwrap_err()["code"],
        "not-found"
    );
    let closed = json!({ "attachment": 1, "columns": 80, "rows": 24, "bytes": 9 });
    assert_eq!(
        window.call("terminal_resize", closed.clone()).unwrap_err()["code"],
        "not-found"
    );
    assert_eq!(
        window.call("terminal_ack", closed.clone()).unwrap_err()["code"],
        "not-found"
    );
    window.call("terminal_close", closed).unwrap();
}
