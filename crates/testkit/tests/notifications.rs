//! The stand-in for the notification service, asked as a program asks it.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use stratavore_testkit::TempHome;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::notifications::{NotificationService, activation_token_of};
use zbus::zvariant::Value;

const SOON: Duration = Duration::from_secs(10);

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
    fn get_server_information(&self) -> zbus::Result<(String, String, String, String)>;
    #[expect(clippy::too_many_arguments, reason = "the protocol has so many")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
}

async fn show(proxy: &NotificationsProxy<'_>, replaces: u32, summary: &str) -> u32 {
    let hints = [
        ("urgency", Value::from(2_u8)),
        ("category", Value::from("a.b")),
    ]
    .into();
    let actions = ["default", "Open", "attach", "Attach"];
    proxy
        .notify(
            "Test", replaces, "icon", summary, "body", &actions, hints, -1,
        )
        .await
        .expect("shown")
}

/// Takes the next signal, as its name and its body's text.
async fn next(signals: &mut zbus::MessageStream) -> (String, String) {
    let signal = async {
        loop {
            let message = signals.next().await.expect("open").expect("a message");
            let header = message.header();
            if header.interface().map(|it| it.as_str()) == Some("org.freedesktop.Notifications")
                && header.message_type() == zbus::message::Type::Signal
            {
                let name = header.member().map(ToString::to_string).unwrap_or_default();
                let body = message.body();
                let body: zbus::zvariant::Structure<'_> = body.deserialize().expect("a structure");
                return (name, format!("{:?}", body.fields()));
            }
        }
    };
    tokio::time::timeout(SOON, signal).await.expect("a signal")
}

#[tokio::test]
async fn notifications_are_kept_replaced_pressed_and_closed() {
    let home = TempHome::new();
    let bus = Bus::start(&home).expect("started");
    let service = NotificationService::start(&bus).await.expect("started");
    let connection = bus.connect().await.expect("connected");
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface("org.freedesktop.Notifications")
        .expect("a name")
        .build();
    let mut signals = zbus::MessageStream::for_match_rule(rule, &connection, None)
        .await
        .expect("listening");
    let proxy = NotificationsProxy::new(&connection).await.expect("a proxy");
    let capabilities = proxy.get_capabilities().await.expect("told");
    assert!(capabilities.contains(&"actions".to_owned()));
    assert_eq!(proxy.get_server_information().await.expect("told").3, "1.2");

    let first = show(&proxy, 0, "first").await;
    let second = show(&proxy, 0, "second").await;
    assert_ne!(first, second);
    assert_eq!(show(&proxy, second, "second again").await, second);
    let shown = service
        .wait_for(SOON, "the replaced one", |it| it.summary == "second again")
        .await;
    assert_eq!((shown.id, shown.replaced, shown.open), (second, 1, true));
    assert_eq!(shown.hints["urgency"], "2");
    assert_eq!(shown.hints["category"], "a.b");
    assert_eq!(shown.actions[1], ("attach".to_owned(), "Attach".to_owned()));
    assert_eq!(service.all().len(), 2);

    service
        .press(second, "other")
        .await
        .expect_err("no such button");
    service.press(second, "attach").await.expect("pressed");
    let (name, body) = next(&mut signals).await;
    assert_eq!(name, "ActivationToken");
    assert!(body.contains(&activation_token_of(second)), "{body}");
    let (name, body) = next(&mut signals).await;
    assert_eq!(name, "ActionInvoked");
    assert!(body.contains("attach"), "{body}");
    assert_eq!(next(&mut signals).await.0, "NotificationClosed");
    service.press(second, "attach").await.expect_err("closed");

    proxy.close_notification(first).await.expect("closed");
    let (name, body) = next(&mut signals).await;
    assert_eq!(name, "NotificationClosed");
    assert!(body.contains("U32(3)"), "{body}");
    assert!(service.all().iter().all(|it| !it.open));
}

#[tokio::test]
async fn a_service_without_buttons_says_so() {
    let home = TempHome::new();
    let bus = Bus::start(&home).expect("started");
    let _service = NotificationService::start_with(&bus, &["body"])
        .await
        .expect("started");
    let connection = bus.connect().await.expect("connected");
    let proxy = NotificationsProxy::new(&connection).await.expect("a proxy");
    assert_eq!(proxy.get_capabilities().await.expect("told"), ["body"]);
}
