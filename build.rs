//! Compiles `proto/` into messages, tonic stubs and facts.
//!
//! prost drops custom options, so the annotations (routes, resource names, long-running results, page
//! fields, request ids, output fields) are read here from the descriptor pool: `build/read.rs` and
//! `build/confidential.rs` turn them into plain structs, and `build/write.rs` turns these into one trait impl per request message,
//! and one type of name per resource. See `src/gax/rpc.rs` and `src/gax/name/mod.rs`.
//! `build/descriptors.rs` writes a table of the fields of all messages.

#[path = "build/confidential.rs"]
mod confidential;
#[path = "build/descriptors.rs"]
mod descriptors;
#[path = "build/read.rs"]
mod read;
#[path = "build/write.rs"]
mod write;

use prost_reflect::DescriptorPool;
use std::{env, error::Error, fs, path::Path, process::Command};

/// An API that is compiled in.
struct Api {
    /// The file of its service; what it imports comes along.
    root: &'static str,
    /// The feature that asks for it.
    feature: Option<&'static str>,
    /// The module of its resource names, which includes what is written here.
    names: Option<&'static str>,
}

const APIS: &[Api] = &[
    Api {
        root: "google/cloud/video/livestream/v1/service.proto",
        feature: None,
        names: Some("crate::livestream::name"),
    },
    Api {
        root: "google/cloud/visionai/v1/streams_service.proto",
        feature: Some("visionai"),
        names: Some("crate::visionai::name"),
    },
    Api {
        root: "google/longrunning/operations.proto",
        feature: None,
        names: Some(write::ENGINE_NAMES),
    },
    Api {
        root: "google/cloud/location/locations.proto",
        feature: None,
        names: Some(write::SHARED_NAMES),
    },
    Api {
        root: "volcengine/live/v20230101/time_shift.proto",
        feature: Some("volcengine"),
        names: None,
    },
];

impl Api {
    fn package(&self) -> Option<String> {
        Some(self.root.rsplit_once('/')?.0.replace('/', "."))
    }
}

/// The module of the names that a package declares.
fn name_module(package: &str) -> Option<&'static str> {
    APIS.iter().find(|api| api.package().as_deref() == Some(package))?.names
}

/// The published default timeouts of calls, in seconds, for the methods that do not have the 60 s of all
/// others. The annotations do not state them.
const TIMEOUTS: &[(&str, u64)] = &[
    ("google.cloud.visionai.v1.StreamsService.CreateCluster", 600),
    ("google.cloud.visionai.v1.StreamsService.CreateEvent", 300),
    ("google.cloud.visionai.v1.StreamsService.CreateSeries", 300),
    ("google.cloud.visionai.v1.StreamsService.CreateStream", 300),
];

/// Annotations only: nothing of it is sent.
const NOT_GENERATED: &str = "google.api";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=RUSTC_VERSION={}", rustc_version()?);
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    let apis = || APIS.iter().filter(|api| api.feature.is_none_or(is_enabled));
    compiler.open_files(apis().map(|api| api.root))?;
    let pool = compiler.descriptor_pool();
    let facts = read::facts(&pool)?;

    let stubs = compiler.file_descriptor_set();
    // For the test of the comments.
    fs::write(out.join("commented.bin"), pool.encode_to_vec())?;
    // Comments are most of the descriptors, and nobody reads them at run time.
    compiler.include_source_info(false);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    fs::write(out.join("facts.rs"), write::facts(&facts)?)?;
    let packages = apis().filter_map(Api::package).collect::<Vec<_>>();
    fs::write(out.join("enums.rs"), write::enums(&pool, &packages)?)?;
    fs::write(out.join("message_fields.rs"), descriptors::write(&pool)?)?;
    // `crate::livestream::name` includes `livestream_name.rs`.
    for module in apis().filter_map(|api| api.names).filter(|name| *name != write::ENGINE_NAMES) {
        let file = format!("{}.rs", module.trim_start_matches("crate::").replace("::", "_"));
        fs::write(out.join(file), write::names(&facts.resources, module)?)?;
    }
    generate_stubs(stubs, &pool)
}

/// Such as `1.91.0`: the service gets it in `x-goog-api-client`.
fn rustc_version() -> Result<String, Box<dyn Error>> {
    let output = Command::new(env::var("RUSTC")?).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    Ok(version.split(' ').nth(1).unwrap_or("unknown").to_owned())
}

fn is_enabled(feature: &str) -> bool {
    let variable = feature.to_uppercase().replace('-', "_");
    env::var_os(format!("CARGO_FEATURE_{variable}")).is_some()
}

fn generate_stubs(
    mut files: tonic_prost_build::FileDescriptorSet,
    pool: &DescriptorPool,
) -> Result<(), Box<dyn Error>> {
    files.file.retain(|file| file.package() != NOT_GENERATED);
    let mut builder = tonic_prost_build::configure()
        .build_client(true)
        .build_server(is_enabled("server") || is_enabled("volcengine"))
        .build_transport(false)
        .emit_rerun_if_changed(false)
        // Services add values and variants.
        .enum_attribute(".", "#[non_exhaustive]")
        .include_file("stubs.rs");
    for message in pool.all_messages().filter_map(|message| confidential::read(&message)) {
        builder = builder.skip_debug([message.message]);
    }
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    config.type_name_domain(["."], "type.googleapis.com");
    builder.compile_fds_with_config(files, config)?;
    Ok(())
}
