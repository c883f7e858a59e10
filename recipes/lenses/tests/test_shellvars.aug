module Test_shellvars =

test Shellvars.lns get "# c\nexport A='b c' # d\nB=\n. /x\nif true; then\n" =
  { "#comment" = "# c\n" }
  { "variable" { "before" = "export " } { "name" = "A" } { "value" = "'b c'" } { "end" = " # d\n" } }
  { "variable" { "before" = "" } { "name" = "B" } { "end" = "\n" } }
  { "other" = ". /x\n" } { "other" = "if true; then\n" }

test Shellvars.lns put "A=1\nA=\"2\" # x\n" after set "/variable[2]/value" "3" = "A=1\nA=3 # x\n"

(* quotes over several lines *)
test Shellvars.lns get "A=\"b \\\n# c\n\" # d\nB='\n'\n" =
  { "variable" { "before" = "" } { "name" = "A" } { "value" = "\"b \\\n# c\n\"" } { "end" = " # d\n" } }
  { "variable" { "before" = "" } { "name" = "B" } { "value" = "'\n'" } { "end" = "\n" } }

(* a quote that does not end *)
test Shellvars.lns get "A=\"b\n" = *
