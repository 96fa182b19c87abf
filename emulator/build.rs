//! Compiles the control service into messages, a server, a client stub and descriptors.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    #[cfg(feature = "http")]
    generate()?;
    Ok(())
}

#[cfg(feature = "http")]
fn generate() -> Result<(), Box<dyn Error>> {
    use std::{env, fs, path::Path};
    const ROOT: &str = "livestream/emulator/v1/control.proto";

    let out = env::var("OUT_DIR")?;
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files([ROOT])?;
    let mut files = compiler.file_descriptor_set();
    // Annotations only: nothing of it is sent.
    files.file.retain(|file| file.package() != "google.api");
    // The pool of the API has what it imports. Its own encoding keeps the annotations.
    compiler.include_imports(false).include_source_info(false);
    fs::write(Path::new(&out).join("control.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .extern_path(".google.rpc.Status", "::livestream_client::proto::google::rpc::Status")
        .compile_fds_with_config(files, config)?;
    Ok(())
}
