"""What mail administrators know: one recipe a concern, each turning policy and host into edits."""
