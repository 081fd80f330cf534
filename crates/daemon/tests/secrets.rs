//! The passwords of `store.url` and `broker.url` are told to their servers and to nobody else.

mod support;

use std::path::Path;

use stratavore_rpc::v1;
use stratavore_testkit::binary::built;
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::rabbitmq::RabbitMq;
use stratavore_testkit::{Process, TempHome, wait_until};
use support::{Host, SOON, refused};

/// What each password has in it, whole however it is written: beside it are characters that a URL writes otherwise.
const WORDS: [&str; 4] = [
    "0pensesam3store",
    "0pensesam3broker",
    "wr0ngstoreword",
    "wr0ngbrokerword",
];
const STORE: &str = WORDS[0];
const BROKER: &str = WORDS[1];
const WRONG_STORE: &str = WORDS[2];
const WRONG_BROKER: &str = WORDS[3];

fn password(word: &str) -> String {
    format!("{word}@/1")
}

fn in_url(word: &str) -> String {
    format!("{word}%40%2F1")
}

/// The servers, which let `ada` in by her passwords.
struct Servers {
    postgres: Postgres,
    broker: RabbitMq,
}

impl Servers {
    fn start() -> Self {
        let servers = Self {
            postgres: Postgres::listening("").unwrap(),
            broker: RabbitMq::start().unwrap(),
        };
        let role = format!(
            "CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{}'",
            password(STORE)
        );
        servers.postgres.run_sql("postgres", &role).unwrap();
        servers
            .broker
            .user("ada", &password(BROKER), [".*"; 3])
            .unwrap();
        servers
    }

    fn store(&self, word: &str) -> String {
        format!(
            "postgres://ada:{}@{}/postgres",
            in_url(word),
            self.postgres.address()
        )
    }

    fn broker(&self, word: &str) -> String {
        format!("amqp://ada:{}@{}/%2f", in_url(word), self.broker.address())
    }
}

fn settings(store: &str, broker: &str) -> String {
    format!(
        "person = 'ada'\n[log]\nlevel = 'trace'\n[store]\nurl = '{store}'\n[broker]\nurl = '{broker}'\n\
         [heartbeat]\ninterval_seconds = 1\n"
    )
}

/// Panics where something tells a password, as text or as a list of bytes.
fn keeps(of: &str, told: &[u8]) {
    let told = String::from_utf8_lossy(told);
    for word in WORDS {
        let bytes = format!("{:?}", word.as_bytes());
        for secret in [word, bytes.trim_matches(['[', ']'])] {
            if let Some(at) = told.find(secret) {
                let line = told[..at].lines().last().unwrap_or_default();
                panic!("{of} tells a password after {line:?}");
            }
        }
    }
}

/// Looks into every file below a directory, but for the settings; tells how many there are.
fn keeps_within(directory: &Path, settings: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files += keeps_within(&path, settings);
        } else if kind.is_file() && path != settings {
            // What was there a moment ago may be gone by now.
            if let Ok(content) = std::fs::read(&path) {
                keeps(&path.display().to_string(), &content);
                files += 1;
            }
        }
    }
    files
}

/// Looks at the words that a process was started with, and at its environment: others of the same user can.
fn keeps_process(process: Process) {
    let environment = process.environment();
    assert!(!environment.is_empty(), "{process:?}");
    for word in environment {
        keeps("an environment", word.as_encoded_bytes());
    }
    for word in process.command_line() {
        keeps("a command line", word.as_bytes());
    }
}

/// Looks at what the command line prints, and gives it.
fn said(home: &TempHome, variables: &[(String, String)], words: &[&str]) -> String {
    let mut command = home.command(built("stratavore-cli", "stratavore"));
    command.envs(variables.iter().cloned()).args(words);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    keeps(&format!("stratavore {}", words.join(" ")), &said);
    String::from_utf8_lossy(&said).into_owned()
}

/// Everything that a host says while its servers are as they are.
fn keeps_host(host: &Host, variables: &[(String, String)]) {
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["db", "status"],
        &["ps"],
        &["node", "list"],
        &["events"],
        &["outbox", "list"],
        &["launch", "p", "--", "true"],
        &["doctor"],
    ] {
        let said = said(&host.home, variables, words);
        assert!(
            !said.contains("unrecognized subcommand"),
            "{words:?}: {said}"
        );
    }
    assert!(keeps_within(host.home.path(), &host.home.config_file()) > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_in_no_log_answer_error_file_or_process() {
    let servers = Servers::start();
    let home = TempHome::new();
    let write = |store: &str, broker: &str| {
        std::fs::write(home.config_file(), settings(store, broker)).unwrap();
    };

    // No URL at all, for the slash that is written as it is.
    let torn = format!(
        "amqp://ada:{}@{}/%2f",
        password(WRONG_BROKER),
        servers.broker.address()
    );
    write(&servers.store(WRONG_STORE), &torn);
    let (_, why) = refused(&home, |_| {});
    assert!(why.contains("broker.url"), "{why}");
    keeps("the refusal", why.as_bytes());
    for words in [&["config", "show"][..], &["status"], &["db", "status"]] {
        said(&home, &[], words);
    }

    // A store that does not let us in: no host, and the reason.
    write(&servers.store(WRONG_STORE), &servers.broker(WRONG_BROKER));
    let (_, why) = refused(&home, |_| {});
    assert!(why.contains("correct the user and the password"), "{why}");
    keeps("the refusal", why.as_bytes());
    for words in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["db", "status"],
    ] {
        let said = said(&home, &[], words);
        assert!(
            said.contains(&servers.postgres.address().to_string()),
            "{words:?}: {said}"
        );
    }
    said(&home, &[], &["status"]);
    assert!(keeps_within(home.path(), &home.config_file()) > 0);

    // A broker that does not: the host runs, tries again and again, and says why events wait.
    write(&servers.store(STORE), &servers.broker(WRONG_BROKER));
    let host = Host::in_home(home).await;
    let runner = host.launch("hold").await;
    let runner = host.state(&runner.id, "running").await;
    let refused = |status: &v1::Status| {
        let reason = status.broker.as_ref().unwrap().reason.as_deref();
        reason.is_some_and(|reason| reason.contains("check the user and the password"))
    };
    let status = host.status_until(refused).await;
    keeps("the status", format!("{status:?}").as_bytes());
    for process in [host.agent(&runner), host.program(&runner)] {
        keeps_process(process);
    }
    keeps_process(Process::find(host.pid()).unwrap());
    wait_until(SOON, "it to be logged", || {
        let log = host.log();
        if log.contains("check the user and the password") {
            Ok(())
        } else {
            Err(log)
        }
    });
    keeps_host(&host, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_right_one_also_where_the_environment_tells_it_and_both_servers_go_away() {
    let mut servers = Servers::start();
    let home = TempHome::new();
    std::fs::write(
        home.config_file(),
        "person = 'ada'\n[log]\nlevel = 'trace'\n",
    )
    .unwrap();
    let variables = vec![
        ("STRATAVORE_STORE_URL".to_owned(), servers.store(STORE)),
        ("STRATAVORE_BROKER_URL".to_owned(), servers.broker(BROKER)),
    ];
    let mut host = Host::with_environment(home, variables.clone()).await;
    let runner = host.launch("hold").await;
    let runner = host.state(&runner.id, "running").await;
    host.all_delivered().await;
    // Finding the runner again is what a host says most about.
    host.kill();
    host.begin().await;
    wait_until(SOON, "more than usual to be logged", || {
        let log = host.log();
        if log.contains("DEBUG") {
            Ok(())
        } else {
            Err(log)
        }
    });
    for process in [host.agent(&runner), host.program(&runner)] {
        keeps_process(process);
    }
    for word in Process::find(host.pid()).unwrap().command_line() {
        keeps("the host's command line", word.as_bytes());
    }
    let shown = said(&host.home, &variables, &["config", "show"]);
    for address in [servers.postgres.address(), servers.broker.address()] {
        assert!(shown.contains(&address.to_string()), "{shown}");
    }
    keeps_host(&host, &variables);

    servers.broker.kill().unwrap();
    servers.postgres.stop_immediately().unwrap();
    let away = |server: &Option<v1::Server>| server.as_ref().unwrap().away_since.is_some();
    let both = |status: &v1::Status| away(&status.store) && away(&status.broker);
    let status = host.status_until(both).await;
    keeps("the status", format!("{status:?}").as_bytes());
    let refusal = host.try_launch(host.script("hold")).await.unwrap_err();
    keeps("a refusal", format!("{refusal:?}").as_bytes());
    keeps_host(&host, &variables);
    let said = said(&host.home, &variables, &["status", "--json"]);
    assert!(
        said.contains(&servers.postgres.address().to_string()),
        "{said}"
    );
    wait_until(SOON, "both to be logged", || {
        let log = host.log();
        let both = log.contains("events wait") && log.contains("cannot be reached");
        if both { Ok(()) } else { Err(log) }
    });
    assert!(keeps_within(host.home.path(), &host.home.config_file()) > 3);
}
