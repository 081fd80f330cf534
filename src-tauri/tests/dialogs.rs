//! What the real window asks outside its page: the native folder picker, and what to do when there is no tray to live on in.

use std::path::Path;
use std::time::Duration;

use fantoccini::{Client, Locator};
use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::desk::Desk;
use stratavore_testkit::webdriver::WebDriver;
use stratavore_testkit::windows::Windows;
use stratavore_testkit::{Process, binary, wait_until, wait_until_async};

const SOON: Duration = Duration::from_secs(30);
const TITLE: &str = "Stratavore";

/// The real program with its window open, without a tray or a notification service.
struct Stage {
    desk: Desk,
    windows: Windows,
    page: Client,
    _driver: WebDriver,
}

impl Stage {
    async fn open() -> Self {
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        let desktop = Path::new(env!("CARGO_BIN_EXE_stratavore-desktop"));
        let desk = Desk::set(&[desktop, &agent]).expect("a desk is set");
        let windows = Windows::of(&desk.display).expect("Xvfb answers");
        let driver = WebDriver::start(&desk.home, &desk.environment).expect("the drivers start");
        let page = driver
            .open(&desk.program("stratavore-desktop"), &[])
            .await
            .expect("the window opens");
        let stage = Self {
            desk,
            windows,
            page,
            _driver: driver,
        };
        stage.see("[data-testid=window][data-loaded=true]").await;
        stage
    }

    async fn host(&self) -> Remote {
        let places = Places::from_env(&self.desk.environment).unwrap();
        let record = wait_until(SOON, "the host answers", || stratavore_rpc::find(&places));
        Remote::new(stratavore_rpc::connect(&record.socket).await.unwrap())
    }

    async fn see(&self, css: &str) {
        wait_until_async(SOON, css, async || {
            let element = self.page.find(Locator::Css(css)).await?;
            element.is_displayed().await
        })
        .await;
    }

    async fn click(&self, css: &str) {
        wait_until_async(SOON, &format!("a click on {css}"), async || {
            self.page.find(Locator::Css(css)).await?.click().await
        })
        .await;
    }

    async fn value(&self, css: &str) -> Option<String> {
        let element = self.page.find(Locator::Css(css)).await.ok()?;
        element.prop("value").await.ok().flatten()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_added_by_the_native_folder_picker() {
    let stage = Stage::open().await;
    let folder = stage.desk.home.project("picked").canonicalize().unwrap();
    let folder = folder.to_str().unwrap();
    stage.click("[data-testid=first-project]").await;
    let picker = "Add a project";
    // With a slash at its end there is nothing left to complete, which the key that ends the line would only accept.
    let line = format!("{folder}/");
    wait_until_async(SOON, "the path is in the form", async || {
        stage.click("[data-testid=project-pick]").await;
        wait_until(SOON, "the picker", || stage.windows.shows(picker));
        stage.windows.enter(picker, &line).unwrap();
        wait_until(SOON, "the picker takes the path", || {
            !stage.windows.shows(picker)
        });
        // GTK may lose a key while its field for paths comes up; then another folder is picked, and it is tried again.
        let path = wait_until_async(SOON, "a path", async || {
            let path = stage.value("[data-testid=project-path]").await?;
            (!path.is_empty()).then_some(path)
        })
        .await;
        if path == folder { Ok(()) } else { Err(path) }
    })
    .await;
    assert_eq!(
        stage.value("[data-testid=project-name]").await.as_deref(),
        Some("picked"),
        "a name is proposed"
    );
    stage.click("[data-testid=project-submit]").await;
    let host = stage.host().await;
    let added = wait_until_async(SOON, "the project is there", async || {
        let asked = v1::ListProjectsRequest::default();
        host.projects(asked).await.ok()?.projects.pop()
    })
    .await;
    assert_eq!(
        (added.name.as_str(), added.path.as_str()),
        ("picked", folder)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tray_closing_the_window_asks_and_quitting_leaves_runners_running() {
    let stage = Stage::open().await;
    let host = stage.host().await;
    let path = stage.desk.home.project("api").to_str().unwrap().to_owned();
    host.add_project(v1::AddProjectRequest {
        name: "api".into(),
        path,
        max_runners: None,
    })
    .await
    .unwrap();
    let runner = host
        .launch(v1::LaunchRequest {
            project: "api".into(),
            command: vec![
                binary::fake_program().to_str().unwrap().into(),
                "hold".into(),
            ],
            ..v1::LaunchRequest::default()
        })
        .await
        .unwrap();
    let program = Process::find(runner.pid.unwrap()).unwrap();
    let desktop = Process::find(host.status().await.unwrap().host_pid).unwrap();

    stage.windows.close(TITLE).unwrap();
    stage.see("[data-testid=closing]").await;
    stage.click("[data-testid=closing-cancel]").await;
    wait_until_async(SOON, "the question is gone", async || {
        let found = stage.page.find_all(Locator::Css("[data-testid=closing]"));
        found.await.is_ok_and(|found| found.is_empty())
    })
    .await;
    assert!(desktop.is_alive() && stage.windows.shows(TITLE));

    stage.windows.close(TITLE).unwrap();
    stage.click("[data-testid=closing-quit]").await;
    wait_until(SOON, "the program ends", || !desktop.is_alive());
    assert!(program.is_alive(), "quitting ends no runner");
}
