//! The settings that exist.

use super::Kind;
use crate::program::{NAMES, PROGRAMS};

/// One setting that exists.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its key, `table.key`.
    pub key: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Its value when nothing sets it; empty: not set.
    pub default: &'static str,
    /// Whether a project may set it.
    pub in_project: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn spec(
    key: &'static str,
    kind: Kind,
    default: &'static str,
    in_project: bool,
    doc: &'static str,
) -> Spec {
    Spec {
        key,
        kind,
        default,
        in_project,
        doc,
    }
}

const COUNT: Kind = Kind::Number {
    min: 0,
    max: 100_000,
};
pub(super) const POSTGRES: &[&str] = &["postgres", "postgresql"];
pub(super) const AMQP: &[&str] = &["amqp", "amqps"];
const ACTION: Kind = Kind::Word(&["notify", "pause", "stop"]);

/// Every setting.
pub const SETTINGS: &[Spec] = &ALL;

/// The settings in their order, those of the known programs among them.
const ALL: [Spec; BEFORE.len() + PROGRAMS.len() + AFTER.len()] = {
    let mut all = [BEFORE[0]; BEFORE.len() + PROGRAMS.len() + AFTER.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < BEFORE.len() {
            BEFORE[at]
        } else if at < BEFORE.len() + PROGRAMS.len() {
            let program = &PROGRAMS[at - BEFORE.len()];
            spec(program.setting, Kind::Path, "", false, program.setting_doc)
        } else {
            AFTER[at - BEFORE.len() - PROGRAMS.len()]
        };
        at += 1;
    }
    all
};

/// Those before the programs'.
const BEFORE: &[Spec] = &[
    spec(
        "attention.permission_wait_seconds",
        Kind::Number { min: 0, max: 86400 },
        "600",
        false,
        "how long a program that asks for a permission listens for an answer from outside of its terminal; 0: not at all",
    ),
    spec(
        "attention.stalled_minutes",
        Kind::Number { min: 1, max: 1440 },
        "10",
        true,
        "after how long without anything moving a runner that says that it works counts as stalled",
    ),
    spec(
        "broker.url",
        Kind::Server(AMQP),
        "",
        false,
        "the RabbitMQ broker that events are published to; not set: they stay within Stratavore",
    ),
    spec(
        "budget.reserve_tokens",
        Kind::Number {
            min: 0,
            max: u64::MAX,
        },
        "0",
        false,
        "tokens set aside of every budget for each runner, so that launches cannot all take the last of it",
    ),
    spec(
        "budget.reserve_usd",
        Kind::Dollars,
        "0",
        false,
        "money set aside of every budget for each runner, in US dollars",
    ),
    spec(
        "budget.when_away",
        Kind::Word(&["open", "closed"]),
        "open",
        false,
        "whether programs that a spent budget denies go on (open) or are denied still (closed) while no host runs",
    ),
    spec(
        "ceiling.action",
        ACTION,
        "notify",
        true,
        "what happens to a runner above a ceiling",
    ),
    spec(
        "ceiling.cpu_percent",
        Kind::Number {
            min: 1,
            max: 100_000,
        },
        "",
        true,
        "CPU a runner's tree may use, in percent of one core",
    ),
    spec(
        "ceiling.memory_mb",
        Kind::Number {
            min: 1,
            max: 1 << 30,
        },
        "",
        true,
        "memory a runner's tree may use, in MB",
    ),
    spec(
        "daemon.idle_minutes",
        Kind::Number {
            min: 1,
            max: 1 << 20,
        },
        "10",
        false,
        "after how long without clients and runners a stratavored that a client started ends itself",
    ),
    spec(
        "environment.capture",
        Kind::Bool,
        "true",
        false,
        "whether runners get the login shell's environment",
    ),
    spec(
        "environment.timeout_seconds",
        Kind::Number { min: 1, max: 120 },
        "10",
        false,
        "how long the login shell may take to tell its environment",
    ),
    spec(
        "heartbeat.interval_seconds",
        Kind::Number { min: 1, max: 3600 },
        "10",
        false,
        "how often an agent reports",
    ),
    spec(
        "history.lines",
        Kind::Number {
            min: 0,
            max: 1_000_000,
        },
        "10000",
        true,
        "lines kept of what scrolled off a runner's terminal",
    ),
    spec(
        "hooks.enabled",
        Kind::Bool,
        "true",
        false,
        "whether programs are launched with hooks, by which they tell their state, sessions and permissions; their own settings stay as they are",
    ),
    spec(
        "launch.program",
        Kind::Word(&NAMES),
        NAMES[0],
        true,
        "the program a launch runs when none is named",
    ),
    spec(
        "launch.restart",
        Kind::Word(&["never", "on-failure"]),
        "never",
        true,
        "whether a runner that failed is started again",
    ),
    spec(
        "log.level",
        Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        "info",
        false,
        "how much the hosts' logs say",
    ),
    spec(
        "node.name",
        Kind::Text,
        "",
        false,
        "what this machine is called among several; not set: its host name",
    ),
    spec(
        "notifications.answers",
        Kind::Bool,
        "true",
        true,
        "whether questions of programs are notified",
    ),
    spec(
        "notifications.budgets",
        Kind::Bool,
        "true",
        false,
        "whether budgets that run out are notified",
    ),
    spec(
        "notifications.decide",
        Kind::Bool,
        "true",
        false,
        "whether a permission can be given or refused from its notification and the tray",
    ),
    spec(
        "notifications.enabled",
        Kind::Bool,
        "true",
        false,
        "whether the desktop shows notifications",
    ),
    spec(
        "notifications.ends",
        Kind::Bool,
        "true",
        true,
        "whether runners that end by themselves are notified; those that fail always are",
    ),
    spec(
        "notifications.errors",
        Kind::Bool,
        "true",
        true,
        "whether turns that end in an error, and stalled ones, are notified",
    ),
    spec(
        "notifications.limits",
        Kind::Bool,
        "true",
        true,
        "whether limits of providers are notified",
    ),
    spec(
        "notifications.permissions",
        Kind::Bool,
        "true",
        true,
        "whether permissions that are asked for are notified",
    ),
    spec(
        "notifications.quiet_hours",
        Kind::Hours,
        "",
        false,
        "when nothing is notified, as 22:00-07:00; what is owed is shown after that",
    ),
    spec(
        "notifications.turn_done_seconds",
        Kind::Number { min: 0, max: 86400 },
        "30",
        true,
        "how long a turn must have taken to be notified when it is done",
    ),
    spec(
        "notifications.turns",
        Kind::Bool,
        "true",
        true,
        "whether turns that are done are notified",
    ),
    spec(
        "person",
        Kind::Text,
        "",
        false,
        "who launches from here, and is told; not set: the name of the user",
    ),
    spec(
        "prices.file",
        Kind::Path,
        "",
        false,
        "a table of prices instead of the built-in one: docs/usage.md has its form",
    ),
];

/// Those behind them.
const AFTER: &[Spec] = &[
    spec(
        "quota.max_runners",
        COUNT,
        "",
        false,
        "runners that may be active on this machine at once",
    ),
    spec(
        "quota.project_max_runners",
        COUNT,
        "",
        false,
        "runners that may be active in a project that sets no limit of its own",
    ),
    spec(
        "restart.backoff_seconds",
        Kind::Number { min: 1, max: 300 },
        "1",
        true,
        "the pause before the second attempt; it doubles after that, up to 300",
    ),
    spec(
        "restart.max_attempts",
        Kind::Number { min: 1, max: 1000 },
        "5",
        true,
        "how often a runner is started in all",
    ),
    spec(
        "sessions.archive",
        Kind::Bool,
        "false",
        false,
        "whether transcripts are kept compressed, so that they outlive their programs' deleting them",
    ),
    spec(
        "stop.grace_seconds",
        Kind::Number { min: 0, max: 3600 },
        "5",
        true,
        "how long a stop waits before it kills",
    ),
    spec(
        "store.url",
        Kind::Server(POSTGRES),
        "",
        false,
        "the PostgreSQL database that several machines share; not set: a file of this machine",
    ),
    spec(
        "terminal.clipboard",
        Kind::Word(&["ask", "allow", "refuse"]),
        "ask",
        false,
        "whether a program may write to the clipboard of whoever uses its terminal; reading it is always refused",
    ),
    spec(
        "terminal.notifications",
        Kind::Word(&["show", "ignore"]),
        "show",
        true,
        "whether a program's own notifications are passed on to whoever looks at its terminal",
    ),
];
