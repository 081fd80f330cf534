//! The host itself: who may talk to it, that there is one, and that ending it ends nothing else.

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use stratavore_rpc::v1;
use stratavore_testkit::faults::{ReadOnly, SmallDisk};
use stratavore_testkit::{Process, TempHome, wait_until, wait_until_async};
use support::{Host, SOON, refused};

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_host_leaves_its_runners_running() {
    let mut host = Host::start().await;
    let runner = host.launch("print here; echo").await;
    let program = host.program(&runner);
    host.terminate();
    assert!(program.is_alive());
    assert!(
        !host.places().host_record().exists(),
        "nobody is told of a host that is gone"
    );
    host.begin().await;
    host.send(&runner.id, "again").await;
    host.shows(&runner.id, "you said: again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_end_the_host_with_or_without_its_runners() {
    let mut host = Host::start().await;
    let runner = host.launch("hold").await;
    let program = host.program(&runner);
    host.client()
        .shutdown(v1::ShutdownRequest {
            stop_runners: false,
        })
        .await
        .unwrap();
    assert!(host.ended().success());
    assert!(program.is_alive());
    host.begin().await;
    host.state(&runner.id, "running").await;
    host.client()
        .shutdown(v1::ShutdownRequest { stop_runners: true })
        .await
        .unwrap();
    assert!(host.ended().success());
    assert!(!program.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_files_are_the_users_alone() {
    let host = Host::start().await;
    let runner = host.launch("hold").await;
    let places = host.places();
    let record = stratavore_rpc::find(&places).unwrap();
    let terminal = host
        .client()
        .get_terminal(support::reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    for socket in [
        record.socket.as_path(),
        std::path::Path::new(&terminal.socket),
    ] {
        assert_eq!(mode(socket), 0o600, "{}", socket.display());
    }
    for file in [
        places.database(),
        places.audit_key(),
        host.attempt_dir(&runner).join("runner.json"),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    for dir in [
        &places.data_dir,
        &places.runtime_dir,
        &places.logs(),
        &host.attempt_dir(&runner),
    ] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    for process in [Process::find(host.pid()).unwrap(), host.agent(&runner)] {
        let listening = std::fs::read_to_string(format!("/proc/{}/net/tcp", process.pid)).unwrap();
        let own: Vec<&str> = sockets_of(&process, &listening);
        assert_eq!(own, Vec::<&str>::new(), "a TCP socket is open");
    }
}

/// The lines of /proc/net/tcp that belong to a process.
fn sockets_of<'a>(process: &Process, table: &'a str) -> Vec<&'a str> {
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", process.pid))
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    table
        .lines()
        .skip(1)
        .filter(|line| {
            line.split_whitespace()
                .nth(9)
                .is_some_and(|inode| inodes.iter().any(|own| own == inode))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_of_the_same_data_refuses_and_one_of_other_data_does_not() {
    let host = Host::start().await;
    let (code, words) = refused(&host.home, |_| {});
    assert_eq!(code, 6);
    assert!(words.contains("supervised by another process"), "{words}");
    let beside = Host::start().await;
    assert_ne!(
        host.status().await.instance_id,
        beside.status().await.instance_id
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let host = Host::start().await;
    let record = stratavore_rpc::find(&host.places()).unwrap();
    // Open what keeps a stranger out, so that the check of the peer is what refuses.
    for dir in [
        host.home.path().to_owned(),
        host.home.runtime(),
        record.socket.parent().unwrap().to_owned(),
    ] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&record.socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    // Credentials belong to a thread, and the socket notes those of the one that connects.
    let answer = std::thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            let mut stream = UnixStream::connect(&record.socket).unwrap();
            let mut answer = Vec::new();
            // Cut off, cleanly or not; a host that answered would send its HTTP/2 settings.
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            stream.set_read_timeout(Some(SOON)).unwrap();
            let _ = stream.read_to_end(&mut answer);
            answer
        });
        stranger.join().unwrap()
    });
    assert_eq!(answer, b"", "a stranger was answered");
    assert_eq!(
        host.status().await.host,
        "stratavored",
        "and its own user still is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_garbage_connections_cost_nothing_that_lasts() {
    let host = Host::start().await;
    let runner = host.launch("echo").await;
    let record = stratavore_rpc::find(&host.places()).unwrap();
    let terminal = host
        .client()
        .get_terminal(support::reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    let agent = host.agent(&runner);
    let descriptors = |pid: u32| {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .count()
    };
    let before = (descriptors(host.pid()), descriptors(agent.pid));
    let garbage: Vec<u8> = (0..64u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    for socket in [
        record.socket.as_path(),
        std::path::Path::new(&terminal.socket),
    ] {
        for n in 0..5_000 {
            let Ok(mut stream) = UnixStream::connect(socket) else {
                continue;
            };
            let _ = stream.write_all(&garbage[..n % garbage.len()]);
        }
    }
    host.send(&runner.id, "still there").await;
    host.shows(&runner.id, "you said: still there").await;
    wait_until(SOON, "the connections are closed again", || {
        let now = (descriptors(host.pid()), descriptors(agent.pid));
        if now.0 <= before.0 + 8 && now.1 <= before.1 + 2 {
            Ok(())
        } else {
            Err(format!("{before:?} then {now:?}"))
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_host_left_is_no_hindrance() {
    let mut host = Host::start().await;
    let places = host.places();
    host.kill();
    assert!(
        places.host_record().exists() && places.host_lock().exists(),
        "this case is about what is left"
    );
    host.begin().await;
    assert_eq!(host.status().await.host_pid, host.pid());
}

#[test]
fn settings_that_are_wrong_are_named_with_file_and_line() {
    let home = TempHome::new();
    std::fs::write(home.config_file(), "[stop]\ngrace = 3\n").unwrap();
    let (code, words) = refused(&home, |_| {});
    assert_eq!(code, 9);
    assert!(
        words.contains("stratavore.toml:2") && words.contains("stop.grace_seconds"),
        "{words}"
    );
}

#[test]
fn a_socket_path_that_is_too_long_is_named_with_the_mend() {
    let home = TempHome::new();
    let long = home.path().join("x".repeat(100));
    let (_, words) = refused(&home, |command| {
        command.env("STRATAVORE_RUNTIME_DIR", &long);
    });
    assert!(
        words.contains("bytes") && words.contains("STRATAVORE_RUNTIME_DIR"),
        "{words}"
    );
}

#[test]
fn a_damaged_or_unwritable_store_is_refused_with_the_mend() {
    let home = TempHome::new();
    let database = home.data().join("stratavore.db");
    std::fs::write(
        &database,
        "this is no database, although it is long enough to be taken for one".repeat(20),
    )
    .unwrap();
    let (code, words) = refused(&home, |_| {});
    assert_eq!(code, 1);
    assert!(words.contains("stratavore.db"), "{words}");

    let home = TempHome::new();
    match ReadOnly::mount(&home.data()) {
        Ok(_mounted) => {
            let (_, words) = refused(&home, |_| {});
            assert!(words.contains(home.data().to_str().unwrap()), "{words}");
        }
        Err(error) => eprintln!("skipped: cannot mount here: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_launches_by_name_and_loses_nothing() {
    let home = TempHome::new();
    let disk = match SmallDisk::mount(&home.data(), 8 << 20) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("skipped: cannot mount here: {error}");
            return;
        }
    };
    let mut host = Host::in_home(home).await;
    let runner = host.launch("print before; echo").await;
    host.shows(&runner.id, "before").await;
    let flag = host.home.path().join("go");
    let script = format!("wait-file {}; exit 3", flag.display());
    let ending = host.launch(&script).await;
    let program = host.program(&ending);
    disk.fill().unwrap();
    let failure = wait_until_async(SOON, "a launch is refused", || async {
        host.try_launch(host.script("hold")).await.err()
    })
    .await;
    assert!(
        failure.message.contains("disk is full") || failure.message.contains("No space left"),
        "{failure:?}"
    );
    host.send(&runner.id, "alive").await;
    host.shows(&runner.id, "you said: alive").await;
    std::fs::write(&flag, "").unwrap();
    wait_until(SOON, "one ends while nothing can be written", || {
        !program.is_alive()
    });
    disk.free().unwrap();
    let after = wait_until_async(SOON, "launches work again", || async {
        host.try_launch(host.script("hold")).await.ok()
    })
    .await;
    assert_eq!(after.state, "running");
    let ended = host.state(&ending.id, "failed").await;
    assert_eq!(ended.exit.unwrap().code, Some(3), "its exit is not lost");
    host.kill();
    host.begin().await;
    host.state(&runner.id, "running").await;
    host.state(&after.id, "running").await;
    host.audit_is_whole().await;
    host.try_stop(v1::stop_request::Target::All(true), 1)
        .await
        .unwrap();
    host.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_a_client_started_ends_when_nobody_needs_it() {
    // The setting counts in minutes; that it is waited for at all is seen by a runner and a client holding it up.
    let mut host = Host::with_settings("[daemon]\nidle_minutes = 1\n").await;
    host.terminate();
    host.begin_with(&["--started-by-client"]).await;
    let runner = host.launch("hold").await;
    host.disconnect();
    let pid = host.pid();
    assert!(Process::find(pid).is_some());
    host.reconnect().await;
    host.stop(&runner.id, 1).await;
    host.disconnect();
    // A minute, and a loaded machine.
    let status = host.ended_within(std::time::Duration::from_secs(120));
    assert!(status.success());
}
