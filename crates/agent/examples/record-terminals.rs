//! Records what real programs write into a terminal of 120 by 40: the streams in `corpus/`, see `corpus/README.md`.
//!
//! `cargo run -p stratavore-agent --example record-terminals -- [--modules DIRECTORY] [NAME…]`
//!
//! Each program runs in a home of its own, sees no process and no host name of this machine, and reaches nothing but loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use stratavore_agent::screen::{Screen, Size};
use stratavore_testkit::TempHome;
use stratavore_testkit::claude::{ClaudeCode, PROMPT};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// A program that writes nothing for so long has drawn what it draws.
const QUIET: Duration = Duration::from_millis(900);
const PATIENCE: Duration = Duration::from_secs(60);

/// Is one thing done to a program.
enum Step {
    /// Waits until the screen shows this.
    Shown(&'static str),
    /// Waits until nothing more comes.
    Quiet,
    /// Types.
    Type(&'static str),
}

use Step::{Quiet, Shown, Type};

/// Is a program that is recorded.
struct Take {
    name: &'static str,
    argv: Vec<String>,
    steps: Vec<Step>,
}

/// Splits a command line; a no-break space stands for one within a word.
fn words(line: &str) -> Vec<String> {
    line.split(' ')
        .map(|word| word.replace('\u{a0}', " "))
        .collect()
}

/// Lists what is recorded, and writes the files that it is about.
fn takes(project: &Path, modules: Option<&Path>) -> std::io::Result<Vec<Take>> {
    let text: String = (1..=400)
        .map(|line| format!("{line:4} \x1b[3{}mthe quick brown fox\x1b[m jumps über the lazy dog, 漢字 and 🎉\n", line % 8))
        .collect();
    fs::write(project.join("text"), text)?;
    fs::create_dir_all(project.join("tiny/src"))?;
    fs::write(
        project.join("tiny/Cargo.toml"),
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    )?;
    fs::write(
        project.join("tiny/src/main.rs"),
        "fn main() {\n    let unused = 1;\n    println!(\"{}\", \"tiny\".len() + 1);\n}\n\nfn never() -> &'static str {\n    \"never\"\n}\n",
    )?;
    let mut takes = vec![
        Take {
            name: "vim",
            argv: words("vim -N -u NONE +syntax\u{a0}on tiny/src/main.rs"),
            steps: vec![
                Quiet,
                Type(":set number ruler hlsearch incsearch\r"),
                Type("/let\r"),
                Quiet,
                Type("Oa new line: 漢字 🎉 é\x1b"),
                Quiet,
                Type(":split\r:vsplit\r"),
                Quiet,
                Type("Gyy5p"),
                Quiet,
                Type("u\x17wdd"),
                Quiet,
            ],
        },
        Take {
            name: "less",
            argv: words("less -R text"),
            steps: vec![
                Quiet,
                Type("  "),
                Quiet,
                Type("/fox\r"),
                Quiet,
                Type("nnn"),
                Quiet,
                Type("Gkkkk"),
                Quiet,
            ],
        },
        Take {
            name: "htop",
            argv: words("htop --delay=10"),
            steps: vec![Shown("Tasks:"), Quiet, Type("\x1bOQ"), Quiet],
        },
        Take {
            name: "tmux",
            argv: words("tmux -L corpus -f /dev/null new-session sh"),
            steps: vec![
                Quiet,
                Type("seq 1 60\r"),
                Quiet,
                Type("\x02%"),
                Quiet,
                Type("printf '\\033[1;35mpink\\033[m \\033[7mturned\\033[m\\n'; ls tiny\r"),
                Quiet,
                Type("\x02\""),
                Quiet,
                Type("cat tiny/src/main.rs\r"),
                Quiet,
                Type("\x02[\x02u"),
                Quiet,
            ],
        },
        Take {
            name: "cargo-build",
            argv: words("cargo build --manifest-path tiny/Cargo.toml --color always"),
            steps: vec![Shown("Finished"), Quiet],
        },
    ];
    if let Some(modules) = modules {
        let program = |name: &str| {
            modules
                .join("node_modules/.bin")
                .join(name)
                .to_string_lossy()
                .into_owned()
        };
        let first = [
            ("codex", "Codex"),
            ("gemini", "Gemini"),
            ("opencode", "commands"),
        ];
        for (name, shown) in first {
            takes.push(Take {
                name,
                argv: vec![program(name)],
                steps: vec![Shown(shown), Quiet, Type("hello"), Quiet],
            });
        }
    }
    Ok(takes)
}

fn claude_takes(claude: &ClaudeCode) -> Vec<Take> {
    let prompt = || [Shown(PROMPT), Quiet];
    vec![
        Take {
            name: "claude-start",
            argv: claude.argv(),
            steps: prompt().into(),
        },
        Take {
            name: "claude-turn",
            argv: claude.argv(),
            steps: prompt()
                .into_iter()
                .chain([
                    Type("tell me of tables\r"),
                    Shown("That is all."),
                    Quiet,
                    Type("count the lines\r"),
                    Shown("Do you want to proceed?"),
                    Quiet,
                    Type("\r"),
                    Shown("400 text"),
                    Quiet,
                    Type("/help\r"),
                    Quiet,
                    Type("\x1b"),
                    Quiet,
                ])
                .collect(),
        },
    ]
}

/// Runs a program and gives all that it wrote until its last step was done.
fn record(
    take: &Take,
    environment: &BTreeMap<String, String>,
    project: &Path,
) -> Result<Vec<u8>, String> {
    // No process and no name of this machine gets into the picture.
    let mut command = CommandBuilder::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--uts",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ]);
    command.args(["sh", "-c", "hostname corpus && exec \"$@\"", "sh"]);
    command.args(&take.argv);
    command.env_clear();
    for (key, value) in environment {
        command.env(key, value);
    }
    command.cwd(project);
    let size = PtySize {
        rows: ROWS,
        cols: COLUMNS,
        ..PtySize::default()
    };
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let pair = native_pty_system()
        .openpty(size)
        .map_err(|error| failed("open a terminal", &error))?;
    let mut child = pair
        .slave
        .spawn_command(command)
        .map_err(|error| failed("start the program", &error))?;
    drop(pair.slave);
    let mut input = pair
        .master
        .take_writer()
        .map_err(|error| failed("write to it", &error))?;
    let mut output = pair
        .master
        .try_clone_reader()
        .map_err(|error| failed("read from it", &error))?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });

    let mut screen = Screen::new(Size::bounded(COLUMNS, ROWS));
    let mut stream = Vec::new();
    let mut outcome = Ok(());
    'steps: for step in &take.steps {
        if let Type(text) = step {
            // A program that is gone reads nothing more; the next step tells.
            let _ = input.write_all(text.as_bytes());
            continue;
        }
        let begun = Instant::now();
        loop {
            let done = match step {
                Shown(text) => screen.text().contains(text),
                Quiet | Type(_) => false,
            };
            if done {
                break;
            }
            match receiver.recv_timeout(QUIET) {
                Ok(bytes) => {
                    stream.extend_from_slice(&bytes);
                    screen.feed(&bytes);
                    let _ = input.write_all(&screen.take_answers());
                }
                Err(RecvTimeoutError::Disconnected) => break 'steps,
                Err(RecvTimeoutError::Timeout) if matches!(step, Quiet) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if begun.elapsed() > PATIENCE {
                if let Shown(_) = step {
                    outcome = Err(format!("it showed only this:\n{}", screen.text()));
                }
                break;
            }
        }
    }
    // Ends everything in the namespace.
    let _ = child.kill();
    let _ = child.wait();
    outcome.map(|()| stream)
}

fn run() -> Result<(), String> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut modules = None;
    if let Some(at) = wanted.iter().position(|word| word == "--modules") {
        modules = wanted.get(at + 1).map(PathBuf::from);
        wanted.drain(at..(at + 2).min(wanted.len()));
    }
    let text = |error: std::io::Error| error.to_string();
    let claude = ClaudeCode::install().map_err(text)?;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let names = {
        let home = TempHome::new();
        let mut takes = takes(&home.project("demo"), modules.as_deref()).map_err(text)?;
        takes.extend(claude_takes(&claude));
        takes.into_iter().map(|take| take.name).collect::<Vec<_>>()
    };
    for name in names {
        if !wanted.is_empty() && !wanted.iter().any(|one| one == name) {
            continue;
        }
        let home = TempHome::new();
        let api = ModelApi::start().map_err(text)?;
        api.answer_when("tell me of tables", Answer::text(TABLES));
        api.answer_when(
            "count the lines",
            Answer::bash("touch made; seq 1 30; wc -l text"),
        );
        let proxy = ClosedProxy::start().map_err(text)?;
        let project = home.project("demo");
        let mut environment = claude.prepare(&home, &api, &proxy).map_err(text)?;
        // The toolchain itself: its launcher looks in the person's home.
        let toolchain = Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .map_err(text)?;
        let toolchain = String::from_utf8_lossy(&toolchain.stdout).trim().to_owned();
        let path = environment.get("PATH").cloned().unwrap_or_default();
        environment.insert("PATH".to_owned(), format!("{toolchain}/bin:{path}"));
        environment.insert("COLORTERM".to_owned(), "truecolor".to_owned());
        environment.insert("CARGO_TERM_PROGRESS_WHEN".to_owned(), "always".to_owned());
        environment.insert("CARGO_TERM_PROGRESS_WIDTH".to_owned(), "100".to_owned());
        let mut takes = takes(&project, modules.as_deref()).map_err(text)?;
        takes.extend(claude_takes(&claude));
        let take = takes
            .into_iter()
            .find(|take| take.name == name)
            .ok_or("no such recording")?;
        let stream =
            record(&take, &environment, &project).map_err(|error| format!("{name}: {error}"))?;
        let file = corpus.join(format!("{name}.vt"));
        fs::write(&file, &stream).map_err(text)?;
        println!("{:8} bytes {}", stream.len(), file.display());
    }
    Ok(())
}

/// What the stand-in for the model says: a good deal of everything that is drawn.
const TABLES: &str = "# Tables\n\nSome **bold** and *slanted* words, `code`, and a list:\n\n- one 漢字\n- two 🎉 👩\u{200d}💻 e\u{301}\n- three\n\n\
| name | width |\n|---|---|\n| 漢 | 2 |\n| é | 1 |\n\n```rust\nfn main() {\n    println!(\"{}\", 1 + 1);\n}\n```\n\nThat is all.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("could not record {error}");
            ExitCode::FAILURE
        }
    }
}
