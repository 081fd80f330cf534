//! A session is one runner's at a time.

mod support;

use std::fs;

use futures::future::join_all;
use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::wait_until_async;
use support::SOON;
use support::stand_in::{StandIn, host};
use support::transcript::{answer, place};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_would_go_on_with_one_session_at_once_exactly_one_does() {
    let host = host("").await;
    let first = StandIn::launch(&host, "first").await;
    let id = host.runner(&first.name).await.session_id.unwrap();
    let row = answer(
        &id,
        1,
        "2026-11-01T10:00:00.000Z",
        &host.home.project("p"),
        "Said.",
        1,
    );
    fs::write(place(&host.home, &id), row).unwrap();
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();
    host.stop("first", 0).await;
    for round in 0..3 {
        wait_until_async(SOON, "it can be resumed", async || {
            let listed = host
                .client()
                .list_sessions(v1::ListSessionsRequest::default())
                .await;
            let sessions = listed.unwrap().into_inner().sessions;
            let free = sessions
                .iter()
                .any(|session| session.id == id && session.resumable);
            if free {
                Ok(())
            } else {
                Err(format!("{sessions:#?}"))
            }
        })
        .await;
        let resumes = (0..8).map(|nth| {
            let mut client = host.client();
            let by_launch = v1::LaunchRequest {
                project: "p".into(),
                program: Some("claude".into()),
                resume: Some(id.clone()),
                name: Some(format!("r{round}-{nth}")),
                ..v1::LaunchRequest::default()
            };
            let by_resume = v1::ResumeRequest {
                target: id.clone(),
                name: by_launch.name.clone(),
                ..v1::ResumeRequest::default()
            };
            async move {
                let reply = if nth % 2 == 0 {
                    client.launch(by_launch).await
                } else {
                    client.resume(by_resume).await
                };
                reply.map(|reply| reply.into_inner()).map_err(Failure::from)
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) =
            join_all(resumes).await.into_iter().partition(Result::is_ok);
        let [Ok(winner)] = won.as_slice() else {
            panic!("{won:#?}");
        };
        for refused in lost {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code, Code::Conflict, "{refused:?}");
            assert!(refused.message.contains(&winner.name), "{refused:?}");
        }
        host.stop(&winner.id, 0).await;
    }
}
