//! A runner's terminal in the user's own terminal emulator.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use stratavore_api::{Code, Failure};
use tokio::process::Command;
use tokio::time::timeout;

/// An emulator that ends in failure before this could not start; one that lasts longer has a window.
const START: Duration = Duration::from_secs(1);
/// What makes an instance another one. Emulators that run already hand on none of the environment of who asks them.
const OVERRIDES: [&str; 3] = [
    "STRATAVORE_DATA_DIR",
    "STRATAVORE_RUNTIME_DIR",
    "STRATAVORE_CONFIG",
];
/// What every desktop that has it configured offers.
const CHOSEN: &str = "xdg-terminal-exec";
/// How most emulators take a command.
const USUAL: &[&str] = &["-e"];

/// The emulators that are looked for, and what each takes before the words of a command. None of these is a shell, nor has the
/// command parsed by one.
const EMULATORS: [(&str, &[&str]); 13] = [
    ("ghostty", USUAL),
    ("kitty", &[]),
    ("alacritty", USUAL),
    ("wezterm", &["start", "--"]),
    ("foot", &[]),
    ("gnome-terminal", &["--"]),
    ("ptyxis", &["--"]),
    ("konsole", USUAL),
    ("xfce4-terminal", &["-x"]),
    ("tilix", USUAL),
    ("xterm", USUAL),
    ("kgx", &["--"]),
    ("x-terminal-emulator", USUAL),
];

/// The user's terminal emulator, found anew each time.
#[derive(Clone, Debug)]
pub struct Emulator {
    env: BTreeMap<String, String>,
    program: PathBuf,
}

impl Emulator {
    /// Takes the environment and this program's path, beside which the command line's program stands.
    #[must_use]
    pub fn new(env: BTreeMap<String, String>, program: &Path) -> Self {
        Self {
            env,
            program: program.to_owned(),
        }
    }

    /// Opens an emulator that is attached to a runner, and waits until it runs.
    ///
    /// # Errors
    /// What is missing, or how the emulator failed.
    pub async fn open(&self, runner: &str) -> Result<(), Failure> {
        let by_hand = format!("attach in any terminal with `stratavore attach {runner}`");
        let beside = self.program.with_file_name("stratavore");
        let stratavore = if is_program(&beside) {
            Some(beside)
        } else {
            find(&self.env, "stratavore", is_program)
        };
        let stratavore = stratavore.ok_or_else(|| {
            Failure::new(
                Code::Unavailable,
                "the command `stratavore` is neither beside the app nor in PATH",
            )
            .hint("install it, or put it in PATH")
        })?;
        let attach = attachment(&self.env, &stratavore, runner);
        let argv = command_line(&self.env, is_program, &attach).ok_or_else(|| {
            Failure::new(Code::Unavailable, "no terminal emulator was found")
                .hint(format!("set TERMINAL to yours, or {by_hand}"))
        })?;
        let (name, args) = argv.split_first().expect("a command line names a program");
        let shown = name.to_string_lossy();
        let mut child = Command::new(name)
            .args(args)
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What interrupts this program is not meant for the emulator.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                Failure::new(Code::Unavailable, format!("cannot start {shown}: {error}"))
                    .hint(by_hand.clone())
            })?;
        match timeout(START, child.wait()).await {
            Ok(Ok(status)) if !status.success() => Err(Failure::new(
                Code::Unavailable,
                format!("{shown} ended at once: {status}"),
            )
            .hint(format!("set TERMINAL to another one, or {by_hand}"))),
            // It has a window, or asked one that runs already for it; the runtime sees to its end.
            _ => Ok(()),
        }
    }
}

/// Gives the words that attach to a runner, wherever they are run.
fn attachment(env: &BTreeMap<String, String>, stratavore: &Path, runner: &str) -> Vec<OsString> {
    let settings = OVERRIDES.iter().filter_map(|key| {
        let value = env.get(*key).filter(|value| !value.is_empty())?;
        Some(format!("{key}={value}"))
    });
    let mut words: Vec<OsString> = settings.map(OsString::from).collect();
    if !words.is_empty() {
        words.insert(0, "env".into());
    }
    words.push(stratavore.into());
    words.push("attach".into());
    words.push(runner.into());
    words
}

/// Gives the command line that runs a command in the user's terminal emulator: the one that the desktop is set to, the one
/// that `TERMINAL` names, or the first that there is.
#[must_use]
pub fn command_line(
    env: &BTreeMap<String, String>,
    is_program: impl Fn(&Path) -> bool,
    command: &[OsString],
) -> Option<Vec<OsString>> {
    let line = |program: PathBuf, args: Vec<&str>| {
        let mut line = vec![program.into_os_string()];
        line.extend(args.into_iter().map(OsString::from));
        line.extend_from_slice(command);
        line
    };
    if let Some(program) = find(env, CHOSEN, &is_program) {
        return Some(line(program, Vec::new()));
    }
    let mut named = env
        .get("TERMINAL")
        .map(|terminal| terminal.split_whitespace())
        .into_iter()
        .flatten();
    if let Some(name) = named.next()
        && let Some(program) = find(env, name, &is_program)
    {
        let known = Path::new(name).file_name();
        let args = EMULATORS
            .iter()
            .find(|(emulator, _)| known.is_some_and(|name| name == *emulator))
            .map_or(USUAL, |(_, args)| args);
        return Some(line(program, named.chain(args.iter().copied()).collect()));
    }
    EMULATORS.iter().find_map(|(name, args)| {
        let program = find(env, name, &is_program)?;
        Some(line(program, args.to_vec()))
    })
}

/// Finds a program as a shell does: by PATH, or, where its name has a slash, there.
fn find(
    env: &BTreeMap<String, String>,
    name: &str,
    is_program: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_absolute() && is_program(path));
    }
    std::env::split_paths(env.get("PATH")?)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// Gives the command line where only these programs are.
    fn line(pairs: &[(&str, &str)], programs: &[&str]) -> Option<String> {
        let mut env = env(pairs);
        env.entry("PATH".into())
            .or_insert_with(|| "/usr/local/bin:/usr/bin".into());
        let is_program = |path: &Path| programs.iter().any(|program| path == Path::new(program));
        let line = command_line(
            &env,
            is_program,
            &["/opt/a b/stratavore".into(), "attach".into()],
        )?;
        let words = line.iter().map(|word| word.to_string_lossy());
        Some(words.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn each_emulator_is_told_in_its_own_form() {
        for (name, args) in [
            ("xdg-terminal-exec", ""),
            ("ghostty", "-e|"),
            ("kitty", ""),
            ("alacritty", "-e|"),
            ("wezterm", "start|--|"),
            ("foot", ""),
            ("gnome-terminal", "--|"),
            ("ptyxis", "--|"),
            ("konsole", "-e|"),
            ("xfce4-terminal", "-x|"),
            ("tilix", "-e|"),
            ("xterm", "-e|"),
            ("kgx", "--|"),
            ("x-terminal-emulator", "-e|"),
        ] {
            let path = format!("/usr/bin/{name}");
            let expected = format!("{path}|{args}/opt/a b/stratavore|attach");
            assert_eq!(line(&[], &[&path]), Some(expected.clone()), "{name}");
            if name != CHOSEN {
                let named = line(&[("TERMINAL", name)], &[&path, "/usr/bin/ghostty"]);
                assert_eq!(named, Some(expected), "{name} in TERMINAL");
            }
        }
        assert_eq!(line(&[], &[]), None);
        assert_eq!(line(&[("PATH", "")], &["/usr/bin/xterm"]), None);
    }

    #[test]
    fn the_desktops_choice_comes_first_then_the_users_then_the_usual() {
        let all = [
            "/usr/bin/xdg-terminal-exec",
            "/usr/bin/st",
            "/usr/bin/foot",
            "/usr/bin/xterm",
        ];
        let st = [("TERMINAL", "st")];
        let begins = |found: Option<String>, with: &str| {
            let found = found.unwrap();
            assert!(found.starts_with(with), "{found}");
        };
        begins(line(&st, &all), "/usr/bin/xdg-terminal-exec|/opt");
        begins(line(&st, &all[1..]), "/usr/bin/st|-e|/opt");
        begins(line(&[], &all[1..]), "/usr/bin/foot|/opt");
        // One that is not there any more is passed over.
        begins(
            line(&[("TERMINAL", "gone")], &all[3..]),
            "/usr/bin/xterm|-e|/opt",
        );
        begins(
            line(&[("TERMINAL", "")], &all[3..]),
            "/usr/bin/xterm|-e|/opt",
        );
    }

    #[test]
    fn the_users_choice_may_be_a_path_with_arguments() {
        let path = "/home/me/.local/bin/kitty";
        assert_eq!(
            line(
                &[("TERMINAL", "/home/me/.local/bin/kitty --single-instance")],
                &[path]
            ),
            Some(format!(
                "{path}|--single-instance|/opt/a b/stratavore|attach"
            ))
        );
        // A relative path depends on where one stands.
        assert_eq!(line(&[("TERMINAL", "bin/kitty")], &["bin/kitty"]), None);
    }

    #[test]
    fn another_instance_is_named_to_emulators_that_run_already() {
        let attach = |env: &BTreeMap<String, String>| {
            let words = attachment(env, Path::new("/bin/stratavore"), "0199-a");
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            words.join("|")
        };
        assert_eq!(attach(&env(&[])), "/bin/stratavore|attach|0199-a");
        assert_eq!(
            attach(&env(&[
                ("STRATAVORE_DATA_DIR", "/d $x"),
                ("STRATAVORE_CONFIG", "")
            ])),
            "env|STRATAVORE_DATA_DIR=/d $x|/bin/stratavore|attach|0199-a"
        );
    }
}
