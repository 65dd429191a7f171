/// Semantic version of this build.
let aviaryVersion = "0.1.0"
