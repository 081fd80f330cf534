//! Who may depend on whom: the layers of ARCHITECTURE.md, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each package may use of ours; tests may also use what is in [`FOR_TESTS`].
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("wire", &[]),
    ("rpc", &["core", "wire"]),
    ("agent", &["core", "wire"]),
    ("store", &["core"]),
    ("programs", &["core"]),
    ("supervisor", &["core", "programs", "store", "wire"]),
    (
        "api",
        &["core", "programs", "rpc", "store", "supervisor", "wire"],
    ),
    ("cli", &["core", "rpc", "wire"]),
    ("daemon", &["api", "core"]),
    ("desktop", &["api", "core", "rpc", "wire"]),
    ("testkit", &[]),
];

/// What any package's tests and benches may use.
const FOR_TESTS: &[&str] = &["core", "rpc", "wire", "api", "testkit"];

/// What the tests of one package may use besides: recorded terminals are read by the screen that reads real ones.
const FOR_TESTS_OF: &[(&str, &str)] = &[("programs", "agent")];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(name: &serde_json::Value) -> Option<&str> {
    name.as_str()?.strip_prefix("stratavore-")
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ALLOWED
        .iter()
        .map(|(name, uses)| (*name, uses.iter().copied().collect()))
        .collect();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = ours(&package["name"]).expect("a package of ours");
        if name == "bench" {
            // Measures the whole from outside; nothing depends on it.
            continue;
        }
        let allowed = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no place among the layers: give it one"));
        seen.insert(name.to_owned());
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(used) = ours(&dependency["name"]) else {
                continue;
            };
            let for_tests = dependency["kind"] == "dev"
                && (FOR_TESTS.contains(&used)
                    || used == name
                    || FOR_TESTS_OF.contains(&(name, used)));
            assert!(
                allowed.contains(used) || for_tests,
                "{name} must not use {used}"
            );
        }
    }
    assert_eq!(seen.len(), ALLOWED.len(), "a layer is gone: {seen:?}");
}

#[test]
fn the_domain_does_no_io_and_never_waits() {
    let metadata = metadata();
    let core = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["name"] == "stratavore-core")
        .unwrap();
    for dependency in core["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        let io = [
            "tokio",
            "futures",
            "sqlx",
            "rustix",
            "libc",
            "tonic",
            "async-trait",
        ];
        assert!(!io.contains(&name), "core uses {name}");
    }
}
