//! The drivers, with the small browser that comes with them in the place of the app.

use std::path::PathBuf;

use fantoccini::Locator;
use stratavore_testkit::TempHome;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::display::Display;
use stratavore_testkit::webdriver::WebDriver;

/// Finds the browser of `webkit2gtk-driver`.
fn browser() -> PathBuf {
    std::fs::read_dir("/usr/lib")
        .expect("listed")
        .flatten()
        .map(|entry| entry.path().join("webkit2gtk-4.1/MiniBrowser"))
        .find(|path| path.is_file())
        .expect("webkit2gtk-driver has a browser")
}

#[tokio::test]
async fn a_page_is_read_clicked_and_closed_and_nothing_is_left() {
    let home = TempHome::new();
    let display = Display::start(&home, 800, 600).expect("started");
    let bus = Bus::start(&home).expect("started");
    let mut environment = home.environment();
    environment.extend(display.environment());
    environment.extend(bus.environment());
    let driver = WebDriver::start(&home, &environment).expect("started");

    let client = driver
        .open_named("MiniBrowser", &browser(), &["--automation"])
        .await
        .expect("opened");
    client
        .goto("data:text/html,<button onclick=\"this.textContent='clicked'\">click me</button>")
        .await
        .expect("shown");
    let button = client.find(Locator::Css("button")).await.expect("found");
    assert_eq!(button.text().await.expect("read"), "click me");
    button.click().await.expect("clicked");
    assert_eq!(button.text().await.expect("read"), "clicked");
    let picture = home.path().join("screen.png");
    display.screenshot(&picture).expect("taken");
    assert!(std::fs::metadata(&picture).expect("there").len() > 2_000);

    client.close().await.expect("closed");
    drop((driver, bus, display));
    home.assert_nothing_left(std::time::Duration::from_secs(20));
}
