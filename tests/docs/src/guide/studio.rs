// The guide's examples look for this file in the folder of their package.
include!("../../../../src/guide/studio.rs");
