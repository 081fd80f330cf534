//! The ways into a PostgreSQL: by TLS, through a pooler, and those that stay shut. No password is ever shown.

#[path = "support/pooler.rs"]
mod pooler;
#[path = "support/team.rs"]
mod team;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pooler::Pooler;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::ProjectId;
use stratavore_core::name::Name;
use stratavore_store::postgres::{Options, PostgresStore, migrate, schema};
use stratavore_store::{NewNode, NewProject, Store, StoreError};
use stratavore_testkit::postgres::{PASSWORD, Postgres, with_database};
use stratavore_testkit::wait_until_async;
use team::{Team, node};
use uuid::Uuid;

async fn open(url: &str, directory: &Path) -> stratavore_store::Result<PostgresStore> {
    PostgresStore::open(
        url,
        node(0),
        directory.join("audit.key"),
        Options::default(),
    )
    .await
}

async fn works(store: &PostgresStore) {
    let now = SystemClock.now();
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new("api").unwrap(),
        path: "/srv".into(),
        max_runners: None,
    };
    store.add_project(new, now).await.unwrap();
    let mut commits = store.commits();
    let heard = commits.wait_for(|cursor| cursor.0 == 1);
    tokio::time::timeout(Duration::from_secs(10), heard)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.projects(false).await.unwrap().len(), 1);
    assert!(!format!("{store:?}").contains(PASSWORD));
    store.close().await;
}

/// Asserts that a database is not opened, for a reason that says these things and not the password.
async fn shut(url: &str, said: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let error = open(url, directory.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    let text = format!("{error} {error:?}");
    for part in said {
        assert!(text.contains(part), "{text} lacks {part:?}");
    }
    assert!(
        !text.contains(PASSWORD) && !text.contains("wr0ng"),
        "{text}"
    );
    let told = format!("{:?}", schema(url).await);
    assert!(
        !told.contains(PASSWORD) && !told.contains("wr0ng"),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_shut_is_told_with_what_to_do() {
    let server = Postgres::listening("").unwrap();
    let url = server.tcp_url("postgres");
    shut(
        &url.replace(PASSWORD, "wr0ng"),
        &["refuses the user \"postgres\"", "store.url"],
    )
    .await;
    shut(
        &with_database(&url, "nowhere"),
        &["no database \"nowhere\"", "CREATE DATABASE"],
    )
    .await;
    let nobody = "postgres://ada:wr0ng@nowhere.invalid:5432/team";
    shut(nobody, &["nowhere.invalid:5432", "check the host"]).await;
    let closed = "postgres://ada:wr0ng@127.0.0.1:1/team";
    shut(closed, &["127.0.0.1:1", "nothing answers"]).await;
    for wrong in [
        "mysql://ada:wr0ng@h/d",
        "postgres://ada:wr0ng@h:port/d",
        "wr0ng",
    ] {
        shut(wrong, &["postgres://user:password@host:port/database"]).await;
    }
    server
        .run_sql(
            "postgres",
            &format!(
                "CREATE USER bob PASSWORD '{PASSWORD}'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
            ),
        )
        .unwrap();
    let bob = url.replace("postgres:s3same", "bob:s3same");
    shut(&bob, &["\"bob\" may not", "GRANT"]).await;
}

#[tokio::test]
async fn two_hosts_with_one_node_id_are_told_apart() {
    let team = Team::of(1).await;
    let copy = team.open(0).await.unwrap();
    let new = |seat: &str| NewNode {
        id: node(0),
        name: format!("{seat}.example"),
        version: "0.1.0".into(),
        max_runners: None,
        seat: seat.into(),
    };
    let (one, two, ttl) = (
        Uuid::from_u128(1),
        Uuid::from_u128(2),
        Duration::from_secs(60),
    );
    team.stores[0]
        .register_node(new("ada"), one, ttl)
        .await
        .unwrap();
    let refused = copy.register_node(new("bob"), two, ttl).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StoreError::NodeTaken { .. }));
    for part in ["node0", "ada.example", "copied"] {
        assert!(text.contains(part), "{text}");
    }
    copy.close().await;
    team.close().await;
}

/// Makes an authority, and a certificate for 127.0.0.1 that it signed.
fn certificate(directory: &Path, name: &str) {
    let openssl = |words: &str| {
        let status = Command::new("openssl")
            .args(words.replace("NAME", name).split_whitespace())
            .current_dir(directory)
            .stderr(Stdio::null())
            .status()
            .expect("openssl is installed");
        assert!(status.success(), "openssl {words}");
    };
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let extensions = "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";
    fs::write(directory.join("extensions"), extensions).unwrap();
    openssl(&format!(
        "req -x509 {ec} -days 2 -subj /CN=authority -keyout NAME-ca.key -out NAME-ca.crt"
    ));
    openssl(&format!(
        "req {ec} -subj /CN=server -keyout NAME.key -out NAME.csr"
    ));
    openssl(
        "x509 -req -in NAME.csr -CA NAME-ca.crt -CAkey NAME-ca.key -CAcreateserial -days 2 -extfile extensions -out NAME.crt",
    );
}

#[tokio::test]
async fn with_tls_the_server_has_to_prove_who_it_is() {
    let mut server = Postgres::listening("").unwrap();
    let url = server.tcp_url("postgres");
    // A server without TLS is no server where it is required.
    shut(&format!("{url}?sslmode=require"), &["TLS"]).await;
    let directory = server.directory().to_owned();
    for name in ["server", "other"] {
        certificate(&directory, name);
    }
    server.give(&directory.join("server.key")).unwrap();
    let files = [
        ("ssl_cert_file", "server.crt"),
        ("ssl_key_file", "server.key"),
    ]
    .map(|(setting, file)| format!("{setting} = '{}'\n", directory.join(file).display()))
    .concat();
    server.configure(&format!("ssl = on\n{files}")).unwrap();
    server.restart().unwrap();
    let verified = |certificate: &str| {
        let path = directory.join(certificate);
        format!("{url}?sslmode=verify-full&sslrootcert={}", path.display())
    };
    shut(&verified("other-ca.crt"), &["TLS", "sslrootcert"]).await;
    let keys = tempfile::tempdir().unwrap();
    let store = open(&verified("server-ca.crt"), keys.path()).await.unwrap();
    let encrypted = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                     WHERE s.ssl AND a.application_name = 'stratavore'";
    wait_until_async(
        Duration::from_secs(10),
        "an encrypted connection",
        async || server.run_sql("postgres", encrypted).unwrap() == "t",
    )
    .await;
    works(&store).await;
}

#[tokio::test]
async fn through_a_pooler_in_session_mode_everything_works() {
    let pooler = Pooler::start();
    let url = pooler.url("postgres");
    assert_eq!(migrate(&url).await.unwrap().found, 0);
    let keys = tempfile::tempdir().unwrap();
    let store = open(&url, keys.path()).await.unwrap();
    works(&store).await;
}
