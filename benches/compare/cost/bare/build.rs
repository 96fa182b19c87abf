//! The stub of the one service, as tonic generates it.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let protos = "../../../../proto";
    println!("cargo::rerun-if-changed={protos}");
    let files = protox::compile(["google/cloud/video/livestream/v1/service.proto"], [protos])?;
    tonic_prost_build::configure()
        .build_server(false)
        .include_file("stubs.rs")
        .compile_fds(files)?;
    Ok(())
}
