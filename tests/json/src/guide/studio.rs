// The guide's examples include this file from the folder of their package.
include!("../../../../src/guide/studio.rs");
