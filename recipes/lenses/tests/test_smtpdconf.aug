module Test_smtpdconf =

test Smtpdconf.lns get "# c\n\n  mech_list:PLAIN  LOGIN \r\nsql_select: SELECT '%u' # x\n" =
  { "#comment" = "# c\n" } { "#empty" = "\n" }
  { "entry" { "indent" = "  " } { "key" = "mech_list" } { "colon" = ":" } { "value" = "PLAIN  LOGIN" }
    { "end" = " \r\n" } }
  { "entry" { "indent" = "" } { "key" = "sql_select" } { "colon" = ": " } { "value" = "SELECT '%u' # x" }
    { "end" = "\n" } }

test Smtpdconf.lns get "mech_list = PLAIN\n" = *
test Smtpdconf.lns get "mech_list:\n" = *
