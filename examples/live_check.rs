//! Checks which of the documented behaviours hold on the service: for a project of your own.
//!
//! ```sh
//! cargo run --example live_check                                     # against an emulator
//! cargo run --example live_check -- --project P --location us-central1
//! cargo run --example live_check -- --project P --location us-central1 --create
//! ```
//!
//! With `--project`, the program uses Application Default Credentials and only reads. With `--create`,
//! it also creates the input `live-check`, and deletes it. An input costs nothing while no channel uses
//! it. Nobody has run this program against the real service yet. So the lines that depend on an account
//! are not claimed as measured anywhere in this project: field masks, filters of operations, request ids
//! that repeat, defaults that the service fills in, and error details.

mod support;

use livestream_client::{
    Error, LivestreamClient,
    model::{Input, OperationMetadata},
    name::{InputName, LocationName},
};
use std::{env, fmt::Display};
use support::{Result, Studio};

#[tokio::main]
async fn main() -> Result {
    let options = env::args().skip(1).collect::<Vec<_>>();
    let value = |name: &str| {
        let at = options.iter().position(|option| option == name)?;
        options.get(at + 1).cloned()
    };
    let (client, location, creates) = match value("--project") {
        Some(project) => {
            let location = value("--location").unwrap_or_else(|| "us-central1".to_owned());
            let location = LocationName::new(project, location)?;
            (LivestreamClient::new()?, location, options.iter().any(|o| o == "--create"))
        }
        None => {
            println!("no --project: this run is against an emulator in this process\n");
            let studio = Studio::open()?;
            (studio.client, studio.location, true)
        }
    };
    reads(&client, &location).await?;
    if creates {
        let input = location.input("live-check")?;
        let checked = creates_an_input(&client, &input).await;
        // The input is deleted after an error too.
        client.ensure_absent(&input).await?;
        checked?;
        show("deletion", "the input is deleted");
    } else {
        println!("{:<18} skipped: needs --create", "mutations");
    }
    Ok(())
}

fn show(what: &str, found: impl Display) {
    println!("{what:<18} {found}");
}

async fn reads(client: &LivestreamClient, location: &LocationName) -> Result {
    let found = client.list_locations(&location.parent()).items().collect().await?;
    show("locations", format!("{} can be used", found.len()));

    // A request without the right routing header is refused or answered by another region.
    let channels = client.list_channels(location).items().collect().await?;
    let elsewhere = channels.iter().filter(|channel| {
        let name = channel.resource_name();
        name.is_ok_and(|name| name.location() != location.location())
    });
    show("routing", format!("{} channels, {} elsewhere", channels.len(), elsewhere.count()));
    let by_number = channels.iter().filter(|channel| {
        channel.resource_name().is_ok_and(|name| name.project() != location.project())
    });
    show("project in names", format!("{} names have another form", by_number.count()));

    let masked = client.list_channels(location).fields(["name"]).items().collect().await;
    show(
        "field mask",
        match masked {
            Ok(masked) if masked.is_empty() => "is unknown: there is no channel to read".to_owned(),
            Ok(masked) if masked.iter().all(|channel| channel.output.is_none()) => {
                "is honoured".to_owned()
            }
            Ok(_) => "is ignored".to_owned(),
            Err(error) => format!("is refused: {error}"),
        },
    );

    let running = client.list_operations(location).filter("done = false").await;
    show(
        "operation filter",
        match running {
            Ok(page) if page.operations.iter().all(|operation| !operation.done) => {
                "done = false is accepted".to_owned()
            }
            Ok(_) => "done = false is ignored".to_owned(),
            Err(error) => format!("is refused: {:?}", error.code()),
        },
    );
    let operations = client.list_operations(location).page_size(50).await?.operations;
    let mut verbs = Vec::new();
    for operation in &operations {
        if let Some(metadata) = operation.metadata_as::<OperationMetadata>()? {
            verbs.push(metadata.verb);
        }
    }
    verbs.sort();
    verbs.dedup();
    show("operation verbs", format!("{verbs:?} in {} operations", operations.len()));

    let missing = location.channel("live-check-missing")?;
    let error = client.get_channel(&missing).await.err();
    show("error details", describe(error.as_ref()));
    Ok(())
}

fn describe(error: Option<&Error>) -> String {
    let Some(error) = error else { return "there was no error".to_owned() };
    let info = error.details().error_info();
    let domain = info.map_or("no domain", |info| &info.domain);
    format!("{:?}, reason {}, {domain}", error.code(), error.reason().unwrap_or("none"))
}

async fn creates_an_input(client: &LivestreamClient, name: &InputName) -> Result {
    client.ensure_absent(name).await?;
    let call = client.create_input(&name.parent(), Input::rtmp(), name.id());
    let (first, second) = (call.clone().await?, call.await);
    show(
        "request id",
        match second {
            Ok(second) if second.name() == first.name() => {
                "a repeat returns the same operation".to_owned()
            }
            Ok(second) => format!("a repeat started {}", second.name()),
            Err(error) => format!("a repeat is refused: {:?}", error.code()),
        },
    );
    let other = client.create_input(&name.parent(), Input::rtmp(), name.id()).await;
    show("id in use", describe(other.err().as_ref()));
    let read = client.get_input(name).await;
    let visible = if read.is_ok() { "exists already" } else { "does not exist yet" };
    show("during creation", format!("the input {visible}"));

    let mut first = first;
    let created = first.wait().await?;
    show("default tier", format!("{} (not set in the request)", created.tier()));
    let plan = client.plan_input(name, &Input::rtmp()).await?;
    show("plan afterwards", plan);
    Ok(())
}
