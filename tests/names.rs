//! Typed resource names: parsing, building, and the errors for invalid names.

#![allow(clippy::unwrap_used)]

mod draw;

use draw::{Draw, check};
use livestream_client::{
    name::*,
    proto::FILE_DESCRIPTOR_SET,
    visionai::name::{
        ChannelName as VisionChannelName, ClusterName, EventName as VisionEventName, SeriesName,
        StreamName,
    },
};
use prost_reflect::DescriptorPool;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

/// Calls a macro or function once for each of the seventeen kinds.
macro_rules! for_every_kind {
    ($apply:ident $($args:tt)*) => {{
        $apply::<ProjectName> $($args)*;
        $apply::<LocationName> $($args)*;
        $apply::<ChannelName> $($args)*;
        $apply::<InputName> $($args)*;
        $apply::<EventName> $($args)*;
        $apply::<ClipName> $($args)*;
        $apply::<DvrSessionName> $($args)*;
        $apply::<AssetName> $($args)*;
        $apply::<PoolName> $($args)*;
        $apply::<OperationName> $($args)*;
        $apply::<NetworkName> $($args)*;
        $apply::<SecretVersionName> $($args)*;
        $apply::<ClusterName> $($args)*;
        $apply::<StreamName> $($args)*;
        $apply::<VisionEventName> $($args)*;
        $apply::<SeriesName> $($args)*;
        $apply::<VisionChannelName> $($args)*;
    }};
}

const LOCATION: &str = "projects/my-project/locations/us-central1";
const CHANNEL: &str = "projects/my-project/locations/us-central1/channels/news";

#[test]
fn name_patterns_match_the_service_definition() {
    fn add<N: ResourceName>(patterns: &mut BTreeMap<&str, &str>) {
        assert_eq!(patterns.insert(N::TYPE, N::PATTERN), None, "{} twice", N::TYPE);
    }
    let mut ours = BTreeMap::new();
    for_every_kind!(add(&mut ours));

    let facts: Value = serde_json::from_str(include_str!("data/livestream_v1.json")).unwrap();
    let vision: Value =
        serde_json::from_str(include_str!("data/visionai_v1_streams.json")).unwrap();
    let messages = [&facts, &vision].into_iter().flat_map(|t| t["messages"].as_object().unwrap());
    let messages = messages.map(|(_, message)| message);
    let resources = messages.filter_map(|message| message.get("resource"));
    let resources = resources.map(|r| (r["type"].as_str().unwrap(), &r["pattern"]));
    let definitions = facts["resource_definitions"].as_object().unwrap();
    let definitions = definitions.iter().map(|(name, pattern)| (name.as_str(), pattern));
    let mut theirs = resources
        .chain(definitions)
        .map(|(name, pattern)| (name, pattern[0].as_str().unwrap()))
        .collect::<BTreeMap<_, _>>();
    assert_eq!(theirs.len(), 14);
    // The definitions of what every Google API shares are this project's own.
    theirs.extend([
        ("cloudresourcemanager.googleapis.com/Project", "projects/{project}"),
        ("locations.googleapis.com/Location", "projects/{project}/locations/{location}"),
        (
            "longrunning.googleapis.com/Operation",
            "projects/{project}/locations/{location}/operations/{operation}",
        ),
    ]);
    assert_eq!(ours, theirs);

    // The pattern of an operation's name is typed in the engine; all others come from here.
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let defined = all_resources(&pool);
    let defined = defined.iter().map(|(name, pattern)| (&**name, &**pattern));
    assert_eq!(ours, defined.collect());
}

/// The resource types of the definitions, with their patterns.
fn all_resources(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let of_messages = pool.all_messages().filter_map(|message| {
        let extension = pool.get_extension_by_name("google.api.resource").unwrap();
        let options = message.options();
        options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
    });
    let of_files = pool.files().flat_map(|file| {
        let extension = pool.get_extension_by_name("google.api.resource_definition").unwrap();
        file.options().get_extension(&extension).as_list().unwrap().to_vec()
    });
    let resources = of_messages.chain(of_files).map(|resource| {
        let field = |name| resource.as_message().unwrap().get_field_by_name(name).unwrap();
        let name = field("type").as_str().unwrap().to_owned();
        (name, field("pattern").as_list().unwrap()[0].as_str().unwrap().to_owned())
    });
    resources.collect()
}

#[test]
fn every_name_is_built_from_its_ids() {
    macro_rules! built {
        ($kind:ident ($($id:ident = $value:literal),+) $text:literal) => {
            let name = $kind::new($($value),+).unwrap();
            assert_eq!(name.as_str(), $text);
            $(assert_eq!(name.$id(), $value);)+
            assert_eq!(name.id(), $text.rsplit('/').next().unwrap());
            assert_eq!($text.parse(), Ok(name));
        };
    }
    built!(ProjectName(project = "p") "projects/p");
    built!(LocationName(project = "p", location = "l") "projects/p/locations/l");
    built!(ChannelName(project = "p", location = "l", channel = "c")
        "projects/p/locations/l/channels/c");
    built!(InputName(project = "p", location = "l", input = "i") "projects/p/locations/l/inputs/i");
    built!(EventName(project = "p", location = "l", channel = "c", event = "e")
        "projects/p/locations/l/channels/c/events/e");
    built!(ClipName(project = "p", location = "l", channel = "c", clip = "x")
        "projects/p/locations/l/channels/c/clips/x");
    built!(DvrSessionName(project = "p", location = "l", channel = "c", dvr_session = "d")
        "projects/p/locations/l/channels/c/dvrSessions/d");
    built!(AssetName(project = "p", location = "l", asset = "a") "projects/p/locations/l/assets/a");
    built!(PoolName(project = "p", location = "l", pool = "default")
        "projects/p/locations/l/pools/default");
    built!(OperationName(project = "p", location = "l", operation = "o.1_2")
        "projects/p/locations/l/operations/o.1_2");
    built!(NetworkName(project = "p", network = "n") "projects/p/global/networks/n");
    built!(ClusterName(project = "p", location = "l", cluster = "k")
        "projects/p/locations/l/clusters/k");
    built!(StreamName(project = "p", location = "l", cluster = "k", stream = "s")
        "projects/p/locations/l/clusters/k/streams/s");
    built!(VisionEventName(project = "p", location = "l", cluster = "k", event = "e")
        "projects/p/locations/l/clusters/k/events/e");
    built!(SeriesName(project = "p", location = "l", cluster = "k", series = "s")
        "projects/p/locations/l/clusters/k/series/s");
    built!(VisionChannelName(project = "p", location = "l", cluster = "k", channel = "c")
        "projects/p/locations/l/clusters/k/channels/c");
    built!(SecretVersionName(project = "p", secret = "s", version = "latest")
        "projects/p/secrets/s/versions/latest");
}

#[test]
fn names_give_their_children_and_parents() {
    let project = ProjectName::new("my-project").unwrap();
    let location = project.location("us-central1").unwrap();
    assert_eq!(location.as_str(), LOCATION);
    assert_eq!(location.parent(), project);

    macro_rules! children {
        ($parent:expr; $($child:ident in $collection:literal),+) => {$(
            let child = $parent.$child("some-id").unwrap();
            assert_eq!(child.as_str(), format!(concat!("{}/", $collection, "/some-id"), $parent));
            assert_eq!(child.parent(), $parent);
            assert_eq!(child.id(), "some-id");
            for bad in ["", "a/b", "a b", &"x".repeat(256)] {
                assert_eq!($parent.$child(bad).unwrap_err().part(), Some(stringify!($child)));
            }
        )+};
    }
    children!(location; channel in "channels", input in "inputs", asset in "assets",
        pool in "pools", cluster in "clusters");
    let operation = location.operation("some-id").unwrap();
    assert_eq!(operation.as_str(), format!("{LOCATION}/operations/some-id"));
    assert_eq!(LocationName::from(&operation), location);
    let channel = location.channel("news").unwrap();
    children!(channel; event in "events", clip in "clips", dvr_session in "dvrSessions");
    let cluster = location.cluster("shop").unwrap();
    children!(cluster; stream in "streams", event in "events", series in "series",
        channel in "channels");

    let network = NetworkName::new("my-project", "vpc").unwrap();
    let version = SecretVersionName::new("my-project", "key", "7").unwrap();
    assert_eq!([network.parent(), version.parent()], [project.clone(), project]);
}

#[test]
fn an_invalid_name_error_contains_the_resource_type_the_pattern_and_the_reason() {
    /// Each row is a text, the invalid variable (empty if none), and the reason in the error.
    fn refuse<N: ResourceName>(noun: &str, rows: &[(&str, &str, &str)]) {
        for (text, part, reason) in rows {
            let refusal = text.parse::<N>().map(|_| ()).unwrap_err();
            assert_eq!(refusal.part().unwrap_or_default(), *part, "{refusal}");
            let whole = format!("not {noun} name (`{}`): {text:?}: {reason}", N::PATTERN);
            assert_eq!(refusal.to_string(), whole);
            assert_eq!(N::check(text), Err(refusal));
        }
    }
    refuse::<ChannelName>(
        "a channel",
        &[
            ("", "", "expected `projects`, found \"\""),
            ("projects", "project", "`{project}` is missing"),
            ("projects//locations/l/channels/c", "project", "`{project}` is empty"),
            ("projects/p/locations//channels/c", "location", "`{location}` is empty"),
            ("projects/p/locations/l", "", "`channels` is missing"),
            ("projects/p/locations/l/channels", "channel", "`{channel}` is missing"),
            ("projects/p/locations/l/channels/", "channel", "`{channel}` is empty"),
            ("projects/p/locations/l/channels/c/", "", "unexpected \"/\" at the end"),
            ("projects/p/locations/l/channels/c/events/d", "", "unexpected \"/events\" at the end"),
            ("projects/p/locations/l/inputs/i", "", "expected `channels`, found \"inputs\""),
            ("projects/p/locations/l/Channels/c", "", "expected `channels`, found \"Channels\""),
            (" projects/p/locations/l/channels/c", "", "expected `projects`, found \" projects\""),
            ("/projects/p/locations/l/channels/c", "", "expected `projects`, found \"\""),
            ("//livestream.googleapis.com/projects/p", "", "expected `projects`, found \"\""),
        ],
    );
    refuse::<EventName>(
        "an event",
        &[
            (CHANNEL, "", "`events` is missing"),
            ("projects/p/locations/l/channels/c/clips/c", "", "expected `events`, found \"clips\""),
        ],
    );
    refuse::<DvrSessionName>(
        "a DVR session",
        &[
            (
                "projects/p/locations/l/channels/c/dvrSessions/",
                "dvr_session",
                "`{dvr_session}` is empty",
            ),
            (
                "projects/p/locations/l/channels/c/dvr_sessions/d",
                "",
                "expected `dvrSessions`, found \"dvr_sessions\"",
            ),
        ],
    );
    refuse::<OperationName>(
        "an operation",
        &[("operations/o", "", "expected `projects`, found \"operations\"")],
    );
    refuse::<NetworkName>(
        "a network",
        &[("projects/p/networks/n", "", "expected `global`, found \"networks\"")],
    );
    refuse::<SecretVersionName>(
        "a secret version",
        &[
            ("projects/p/secrets/s", "", "`versions` is missing"),
            (
                &format!("projects/p/secrets/{}/versions/1", "x".repeat(256)),
                "secret",
                "`{secret}` is too long",
            ),
        ],
    );
    SecretVersionName::new("p", "x".repeat(255), "1").expect("the id of a secret may be this long");

    let odd = |part, marks| format!("`{{{part}}}` may hold ASCII letters, digits{marks} only");
    let long = "x".repeat(64);
    refuse::<ChannelName>(
        "a channel",
        &[(&format!("{LOCATION}/channels/{long}"), "channel", "`{channel}` is too long")],
    );
    refuse::<LocationName>(
        "a location",
        &[("projects/p/locations/us_1", "location", &odd("location", " and -"))],
    );
    refuse::<ProjectName>(
        "a project",
        &[("projects/a b", "project", &odd("project", " and -_.:"))],
    );
    for id in
        ["näws", "новости", "𝕏", "ne ws", "news\0", "news\n", "new%73", "a:1", "a.1", "*", "{c}"]
    {
        refuse::<ChannelName>(
            "a channel",
            &[(&format!("{LOCATION}/channels/{id}"), "channel", &odd("channel", ", - and _"))],
        );
    }
}

#[test]
fn new_returns_an_error_for_the_first_invalid_id() {
    let refuse = |project: &str, location: &str, channel: &str, part, reason: &str| {
        let refusal = ChannelName::new(project, location, channel).unwrap_err();
        assert_eq!(refusal.part(), Some(part));
        assert!(refusal.to_string().ends_with(&format!(": `{{{part}}}` {reason}")), "{refusal}");
    };
    refuse("", "l", "c", "project", "is empty");
    refuse("p", "l", "", "channel", "is empty");
    refuse("p", &"l".repeat(64), "c", "location", "is too long");
    // An id with a slash would shift the segments after it.
    refuse("p/locations/l", "l", "c", "project", "may hold ASCII letters, digits and -_.: only");
    refuse("p", "l/channels/c", "c", "location", "may hold ASCII letters, digits and - only");
    refuse("p", "l", "c/events/e", "channel", "may hold ASCII letters, digits, - and _ only");
    // Of several invalid ids, the error reports the first.
    refuse("", "", "", "project", "is empty");

    let project = ProjectName::new("p").unwrap();
    let refusal = project.location("l/channels/c").unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "not a location name (`projects/{project}/locations/{location}`): \
         \"projects/p/locations/l/channels/c\": `{location}` may hold ASCII letters, digits and - \
         only"
    );
}

#[test]
fn every_documented_id_is_accepted() {
    let longest = "x".repeat(63);
    for id in ["a", "0", "evening-news", "News_2", "UPPER", "_", "a-", &longest] {
        let name = ChannelName::new("my-project", "us-central1", id).unwrap();
        assert_eq!(name.channel(), id);
    }
    for project in ["my-project", "123456789012", "example.com:proj", "sub.example.com:proj-1"] {
        let text = format!("projects/{project}/locations/us-central1/inputs/camera");
        assert_eq!(text.parse::<InputName>().unwrap().project(), project);
    }
    let operation = "operation-1680275595137-5f833a5f91017-14a21659-0b4784fb";
    let text = format!("projects/123456789012/locations/us-central1/operations/{operation}");
    assert_eq!(text.parse::<OperationName>().unwrap().operation(), operation);
}

#[test]
fn a_name_accepts_only_its_own_kind() {
    fn check_all<N: ResourceName>(texts: &[String]) {
        let own = sample(N::PATTERN, &mut ["x"].into_iter().cycle());
        let accepted = texts.iter().filter(|text| text.parse::<N>().is_ok()).collect::<Vec<_>>();
        assert_eq!(accepted, [&own], "{}", N::TYPE);
    }
    fn add<N: ResourceName>(texts: &mut Vec<String>) {
        texts.push(sample(N::PATTERN, &mut ["x"].into_iter().cycle()));
    }
    let mut texts = Vec::new();
    for_every_kind!(add(&mut texts));
    for_every_kind!(check_all(&texts));
}

#[test]
fn names_compare_and_hash_as_text() {
    let name = |id: &str| ChannelName::new("p", "l", id).unwrap();
    assert_eq!(name("a"), name("a"));
    assert_ne!(name("a"), name("b"));
    assert!(name("a") < name("b") && name("Z") < name("a"), "by bytes, as text");
    assert_eq!(HashSet::from([name("a"), name("b"), name("a")]).len(), 2);

    let (number, id) = (ProjectName::new("12").unwrap(), ProjectName::new("p").unwrap());
    assert_ne!(number, id, "even where they mean one project");
}

#[test]
fn a_cloned_name_shares_its_text() {
    let name = CHANNEL.parse::<ChannelName>().unwrap();
    assert_eq!(name.clone().as_str().as_ptr(), name.as_str().as_ptr());
}

#[test]
fn names_display_as_text_and_debug_with_their_type() {
    let name = CHANNEL.parse::<ChannelName>().unwrap();
    assert_eq!(format!("{name}"), CHANNEL);
    assert_eq!(format!("{name:?}"), format!("ChannelName({CHANNEL})"));
    let width = CHANNEL.len() + 3;
    assert_eq!(format!("{name:>width$}|"), format!("   {CHANNEL}|"));
    assert_eq!(AsRef::<str>::as_ref(&name), CHANNEL);
    assert_eq!(String::from(&name), CHANNEL);
}

/// A name of the pattern, with the ids given in its variables.
fn sample<'a>(pattern: &str, ids: &mut impl Iterator<Item = &'a str>) -> String {
    let segments = pattern.split('/').map(|segment| match segment.starts_with('{') {
        true => ids.next().unwrap(),
        false => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Whether the text is accepted; asserts that the name keeps it unchanged.
fn is_kept<N: ResourceName + fmt::Display>(text: &str) -> bool {
    let Ok(name) = text.parse::<N>() else { return false };
    assert_eq!(name.to_string(), text);
    assert_eq!(name.as_str(), text);
    assert_eq!(name.to_string().parse::<N>(), Ok(name));
    true
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const ID: &str = "abcdefghijklmnopqrstuvwxyz0123456789-";

/// A project's id, number, or id below a domain.
fn project(draw: &mut Draw) -> String {
    match draw.0.u8(..3) {
        0 => {
            let (first, middle) = (draw.of(LOWER, 1..2), draw.of(ID, 4..29));
            first + &middle + &draw.of(&ID[..36], 1..2)
        }
        1 => draw.of(DIGITS, 6..14),
        _ => {
            let (domain, top) = (draw.of(LOWER, 1..10), draw.of(LOWER, 2..4));
            format!("{domain}.{top}:{}{}", draw.of(LOWER, 1..2), draw.of(ID, 4..21))
        }
    }
}

/// One to sixty-three letters, digits and hyphens, with no hyphen at an end.
fn id(draw: &mut Draw) -> String {
    let both = format!("{}{}", LOWER.to_uppercase(), &ID[..36]);
    let first = draw.of(&both, 1..2);
    let rest = draw.option(|draw| draw.of(&format!("{both}-"), 0..62) + &draw.of(&both, 1..2));
    first + &rest.unwrap_or_default()
}

#[test]
fn valid_ids_make_a_name_of_every_kind() {
    fn check_kind<N: ResourceName>(project: &str, ids: &[String]) {
        let ids = std::iter::once(project).chain(ids.iter().map(String::as_str));
        let text = sample(N::PATTERN, &mut ids.into_iter());
        assert!(is_kept::<N>(&text), "{text}");
    }
    check(|draw| {
        let (project, ids) = (project(draw), [id(draw), id(draw), id(draw)]);
        for_every_kind!(check_kind(&project, &ids));
    });
}

#[test]
fn no_text_makes_a_name_parser_panic() {
    check(|draw| {
        let text = if draw.bool() { draw.text(0..33) } else { draw.any_text(0..33) };
        for_every_kind!(is_kept(&text));
    });
}

#[test]
fn no_nearly_valid_text_makes_a_name_parser_panic() {
    const WORDS: [&str; 7] =
        ["projects", "locations", "global", "networks", "channels", "events", "inputs"];
    check(|draw| {
        let mut text: String = draw.list(0..10, |draw| {
            let slash = draw.pick(&["", "/"]);
            let odd = draw.of("abcdefghijklmnopqrstuvwxyz{}:%\0é-", 0..4);
            let word = if draw.0.u8(..8) == 0 { odd } else { draw.pick(&WORDS).to_owned() };
            format!("{slash}{word}")
        });
        text += draw.pick(&["", "/"]);
        for_every_kind!(is_kept(&text));
    });
}

#[test]
fn no_id_changes_another_segment_of_a_name() {
    let location = LOCATION.parse::<LocationName>().unwrap();
    check(|draw| {
        let id = if draw.0.u8(..4) == 0 { id(draw) } else { draw.text(0..71) };
        if let Ok(channel) = location.channel(&id) {
            assert_eq!(channel.channel(), &id);
            assert_eq!(channel.parent(), location);
        }
    });
}
