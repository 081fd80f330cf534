use tokio::sync::mpsc;

use super::*;

fn places(root: &Path) -> Places {
    Places {
        data_dir: root.join("data"),
        runtime_dir: root.join("run"),
        config_file: root.join("c"),
    }
}

async fn first(places: &Places) -> Doorbell {
    match Doorbell::take(places, &Ring::default()).await.unwrap() {
        Start::First(doorbell) => doorbell,
        Start::Rung => panic!("somebody else holds {}", places.data_dir.display()),
    }
}

#[tokio::test]
async fn a_second_start_rings_at_the_first_and_another_data_directory_is_another_first() {
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (
        places(&root.path().join("a")),
        places(&root.path().join("b")),
    );
    let doorbell = first(&here).await;
    let ring = Ring {
        attach: Some("auth".into()),
        token: Some("t1".into()),
    };
    // The second start comes while the first does not listen yet, and waits for it.
    let second = tokio::spawn({
        let (here, ring) = (here.clone(), ring.clone());
        async move { Doorbell::take(&here, &ring).await }
    });
    let (rung, mut rings) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (stop, sockets) = (stop.clone(), here.runtime_dir.join("i1"));
        async move {
            doorbell
                .listen(&sockets, move |ring| rung.send(ring).unwrap(), &stop)
                .await
        }
    });
    assert!(matches!(second.await.unwrap().unwrap(), Start::Rung));
    assert_eq!(rings.recv().await, Some(ring));
    let mode = std::fs::metadata(here.runtime_dir.join("i1/desktop.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(first(&there).await);

    stop.cancel();
    listening.await.unwrap().unwrap();
    assert!(!here.runtime_dir.join("i1/desktop.sock").exists());
    drop(first(&here).await);
}

#[tokio::test]
async fn one_that_was_killed_leaves_a_socket_that_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let here = places(root.path());
    let sockets = here.runtime_dir.join("i1");
    std::fs::create_dir_all(&sockets).unwrap();
    drop(std::os::unix::net::UnixListener::bind(sockets.join("desktop.sock")).unwrap());
    std::fs::create_dir_all(&here.data_dir).unwrap();
    std::fs::write(
        here.data_dir.join("desktop.lock"),
        sockets.join("desktop.sock").as_os_str().as_bytes(),
    )
    .unwrap();

    let doorbell = first(&here).await;
    let (rung, mut rings) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let stop = stop.clone();
        async move {
            doorbell
                .listen(&sockets, move |ring| rung.send(ring).unwrap(), &stop)
                .await
        }
    });
    assert!(matches!(
        Doorbell::take(&here, &Ring::default()).await.unwrap(),
        Start::Rung
    ));
    assert_eq!(rings.recv().await, Some(Ring::default()));
    stop.cancel();
    listening.await.unwrap().unwrap();
}

#[tokio::test]
async fn nonsense_at_the_door_neither_rings_nor_breaks_the_bell() {
    let root = tempfile::tempdir().unwrap();
    let here = places(root.path());
    let sockets = here.runtime_dir.join("i1");
    let doorbell = first(&here).await;
    let (rung, mut rings) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let listening = tokio::spawn({
        let (stop, sockets) = (stop.clone(), sockets.clone());
        async move {
            doorbell
                .listen(&sockets, move |ring| rung.send(ring).unwrap(), &stop)
                .await
        }
    });
    assert!(matches!(
        Doorbell::take(&here, &Ring::default()).await.unwrap(),
        Start::Rung
    ));
    rings.recv().await.unwrap();
    for nonsense in [
        &b"\xff\xfe\n"[..],
        b"{\"attach\":3}\n",
        b"",
        &[b'x'; 200_000],
    ] {
        let mut stream = UnixStream::connect(sockets.join("desktop.sock"))
            .await
            .unwrap();
        // The bell hangs up on what is too long before all of it was said.
        let _ = stream.write_all(nonsense).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "to {:?}", &nonsense[..nonsense.len().min(20)]);
    }
    let ring = Ring {
        attach: Some("after".into()),
        token: None,
    };
    assert!(matches!(
        Doorbell::take(&here, &ring).await.unwrap(),
        Start::Rung
    ));
    assert_eq!(rings.recv().await, Some(ring));
    stop.cancel();
    listening.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_refused_with_the_mend() {
    let root = tempfile::tempdir().unwrap();
    let here = places(root.path());
    let long = root.path().join("x".repeat(120));
    let error = first(&here)
        .await
        .listen(&long, |_| (), &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("STRATAVORE_RUNTIME_DIR"),
        "{error}"
    );
}
