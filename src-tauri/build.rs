//! Builds the window's files, icons and permissions into the program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for input in ["src-tauri/capabilities", "src-tauri/permissions"] {
        println!("cargo:rerun-if-changed={input}");
    }
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/*.json")
        .app_manifest(
            tauri_build::AppManifest::new()
                .permissions_path_pattern("./src-tauri/permissions/*.toml"),
        );
    tauri_build::try_build(attributes)?;
    Ok(())
}
