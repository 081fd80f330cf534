//! Every row still measures something. How fast anything is, nobody asserts.

use std::process::Command;

#[test]
fn every_row_is_measured() {
    let said = Command::new(env!("CARGO_BIN_EXE_stratavore-bench"))
        .arg("--quick")
        .output()
        .unwrap();
    let (table, errors) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .collect();
    assert_eq!(rows.len(), 43, "{table}{errors}");
    for row in rows {
        // Where this test runs alone, nobody has built the app.
        let excused = row.contains("stratavore-desktop is not built");
        assert!(excused || !row.contains("not measured"), "{table}{errors}");
        assert!(
            row.chars().any(|it| it.is_ascii_digit()) || excused,
            "{row}"
        );
    }
}
