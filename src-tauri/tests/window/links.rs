//! Links on the screen of a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use stratavore_testkit::wait_until;

use crate::desk::{Desk, at_work};
use crate::page::SOON;

const CONTROL: char = '\u{e009}';
const SHIFT: char = '\u{e008}';
const ENTER: &str = "\u{e007}";

#[tokio::test(flavor = "multi_thread")]
async fn links_show_where_they_lead_and_lead_nowhere_unasked() {
    let desk = Desk::set().await;
    let scene = concat!(
        r"write \e]8\s\sfile:///etc/hostname\e\\read me\e]8\s\s\e\\\r\n",
        r"\e]8\s\sssh://elsewhere\e\\go there\e]8\s\s\e\\\r\n; echo",
    );
    let (window, _) = at_work(&desk, &[("links", scene)]).await;
    window.sees_in_terminal("go there").await;
    window.hover(window.cell(2, 0).await).await;
    window.reads("link-target", "file:///etc/hostname").await;
    // A plain click is the program's.
    let link = window.cell(2, 0).await;
    window.drag(link, link, 1).await;
    window.control_click(link).await;
    window
        .reads("question", "opens a file on this machine")
        .await;
    window.click("[data-testid=question-confirm]").await;
    window.reads("toast", "outside the project").await;
    window.click("[data-testid=toast-dismiss]").await;
    window.see_gone("[data-testid=toast]").await;
    window.control_click(window.cell(2, 1).await).await;
    window.reads("toast", "leads to ssh://elsewhere").await;
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_the_text_is_marked_under_the_mouse_and_opened_in_the_browser() {
    let mut desk = Desk::set().await;
    let programs = desk.place.home.home().join("programs");
    let browsed = desk.place.home.home().join("browsed");
    fs::create_dir(&programs).unwrap();
    let browser = programs.join("xdg-open");
    fs::write(
        &browser,
        format!("#!/bin/sh\necho \"$1\" >>'{}'\n", browsed.display()),
    )
    .unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", programs.display());
    desk.place.environment.insert("PATH".into(), path);
    let scene = r"write see https://docs.example.org/page?a=b for more\r\n; echo";
    let (window, _) = at_work(&desk, &[("links", scene)]).await;
    window.sees_in_terminal("for more").await;
    let link = window.cell(6, 0).await;
    window.hover(link).await;
    window
        .reads("link-target", "https://docs.example.org/page?a=b")
        .await;
    // A plain click is the program's.
    window.drag(link, link, 1).await;
    window.control_click(link).await;
    wait_until(SOON, "the browser is given the address", || {
        fs::read_to_string(&browsed).is_ok_and(|text| text == "https://docs.example.org/page?a=b\n")
    });
    window.end().await;
    desk.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_listed_with_their_targets_and_followed_by_keyboard() {
    let desk = Desk::set().await;
    let scene = concat!(
        r"write See \e]8\s\sfile:///etc/hostname\e\\the name of this machine\e]8\s\s\e\\ or\r\n",
        r"\e]8\s\shttps://ada@evil.example/login\e\\https://bank.example/\e]8\s\s\e\\\r\n",
        r"and https://docs.example.org/a/rather/long/path/that/goes/on/and/on/until/it/is/longer/than/the/terminal/is/wide/and/then/some/more.html\r\n; echo",
    );
    let (window, _) = at_work(&desk, &[("links", scene)]).await;
    window.sees_in_terminal("bank.example").await;
    window.click("[data-testid=terminal]").await;
    window.chord(&[CONTROL, SHIFT, 'l']).await;
    window.see("[data-testid=palette-text]:focus").await;
    window
        .holds_true(
            "three links, the lowest first, each with where it leads",
            "const all = [...document.querySelectorAll('[data-testid=palette-option]')];
             const words = all.map((option) => option.innerText.replace(/\\s+/g, ' ').trim());
             return words.length === 3 && /^https:.docs.example.org.*some.more.html$/.test(words[0].replace('//', '.').replaceAll('/', '.'))
                 && words[1] === 'https://bank.example/ https://ada@evil.example/login'
                 && words[2] === 'the name of this machine file:///etc/hostname'
                 && all.every((option) => option.scrollWidth <= option.clientWidth)",
        )
        .await;
    window.picture("links.png").await;
    // The same questions as by mouse, and the same refusals.
    window.keys("bank").await;
    window.keys(ENTER).await;
    window
        .reads("question", "opens evil.example in the browser")
        .await;
    window.click("[data-testid=question-cancel]").await;
    window.see_gone("[data-testid=question]").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    window.chord(&[CONTROL, 'k']).await;
    window.see("[data-testid=palette-text]:focus").await;
    window.keys("follow a link").await;
    window.keys(ENTER).await;
    window
        .see("[data-testid=palette-text][placeholder^='Which link']:focus")
        .await;
    window.keys("hostname").await;
    window.keys(ENTER).await;
    window
        .reads("question", "opens a file on this machine")
        .await;
    // Past the button that does nothing, which Enter would press.
    window.keys("\u{e004}").await;
    window.keys(ENTER).await;
    window.reads("toast", "outside the project").await;
    window.end().await;
    desk.end();
}
