//! Generates the messages and the service from `proto/stratavore.proto`, without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/stratavore.proto");
    let files = protox::compile(["stratavore.proto"], ["proto"])?;
    let ts = r#"#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields = nullable))]"#;
    let ts_choice =
        r#"#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(rename_all = "snake_case"))]"#;
    tonic_prost_build::configure()
        .message_attribute(
            ".",
            "#[derive(serde::Serialize, serde::Deserialize)] #[serde(default)]",
        )
        .message_attribute(".", ts)
        .enum_attribute(
            ".",
            "#[derive(serde::Serialize, serde::Deserialize)] #[serde(rename_all = \"snake_case\")]",
        )
        .enum_attribute(".", ts_choice)
        .btree_map(".")
        .compile_fds(files)?;
    Ok(())
}
