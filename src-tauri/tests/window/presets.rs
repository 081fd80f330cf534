//! A preset is made, changed, and launched with.

use stratavore_api::{Api, v1};

use crate::desk::Desk;
use crate::page::{THEMES, row};

const MADE: &str =
    "description = 'Reads the branch'\nprogram = 'claude'\nargs = ['--permission-mode', 'plan']";
const CHANGED: &str = "description = 'Reads the branch and says what is wrong'\nprogram = 'claude'\n\
    args = ['--permission-mode', 'plan', '--model', 'opus']\nenv = { SCENE = 'print Which branch?; echo' }";

#[tokio::test(flavor = "multi_thread")]
async fn a_preset_is_made_changed_and_launched_with() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.330 (Claude Code)");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "api-gateway", Some(4)).await;

    window.click("[data-testid=view-presets]").await;
    window.click("[data-testid=presets-empty] button").await;
    // What cannot be is said, and kept as it was typed.
    window.fill("[data-testid=preset-name]", "review").await;
    window
        .replace("[data-testid=preset-toml]", "program = 7")
        .await;
    window.click("[data-testid=preset-save]").await;
    window.see("[data-testid=preset-failure]").await;
    window.replace("[data-testid=preset-toml]", MADE).await;
    window.click("[data-testid=preset-save]").await;
    window
        .see("[data-testid=preset-row][data-preset=review]")
        .await;
    window.reads("preset-row", "Reads the branch").await;
    window
        .reads("preset-row", "claude --permission-mode plan")
        .await;
    window.see_gone("[data-testid=preset-failure]").await;

    window.replace("[data-testid=preset-toml]", CHANGED).await;
    window.click("[data-testid=preset-save]").await;
    window.reads("preset-row", "says what is wrong").await;
    window.reads("preset-row", "--model opus").await;
    let asked = v1::ListPresetsRequest::default();
    let presets = host.presets(asked).await.unwrap().presets;
    assert_eq!(presets.len(), 1, "{presets:?}");
    let kept = &presets[0];
    assert_eq!(kept.args, ["--permission-mode", "plan", "--model", "opus"]);
    assert!(kept.toml.contains("Which branch?"), "{}", kept.toml);

    for (theme, suffix) in THEMES {
        window.wear(theme).await;
        window.click("[data-testid=view-presets]").await;
        window.click("[data-testid=preset-row]").await;
        window.see("[data-testid=preset-toml]").await;
        window.click("[data-testid=launch]").await;
        window.choose("[data-testid=launch-preset]", "review").await;
        window
            .reads("launch-preset-says", "says what is wrong")
            .await;
        window
            .reads(
                "launch-preset-says",
                "claude --permission-mode plan --model opus",
            )
            .await;
        // It says what is launched: nothing else does.
        window.see_gone("[data-testid=launch-program]").await;
        window.picture(&format!("launch-preset{suffix}.png")).await;
        if theme == "light" {
            window.click("[data-testid=launch-cancel]").await;
        }
    }
    window.fill("[data-testid=launch-name]", "branch").await;
    window.click("[data-testid=launch-submit]").await;
    window.see(&row("branch", "running")).await;
    window.sees_in_terminal("Which branch?").await;
    let named = v1::RunnerRef {
        runner: "branch".into(),
    };
    let runner = host.runner(named).await.unwrap();
    let said = ["--permission-mode", "plan", "--model", "opus"];
    assert!(
        runner
            .command
            .windows(said.len())
            .any(|words| words == said),
        "{:?}",
        runner.command
    );
    window.end().await;
    desk.end();
}
