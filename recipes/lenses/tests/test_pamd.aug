module Test_pamd =

test Pamd.lns get "# c\n@include common-auth\n -auth\t[default=ignore]  pam_x.so a=b \n" =
  { "#comment" = "# c\n" }
  { "rule" { "indent" = "" } { "text" = "@include common-auth" } { "end" = "\n" } }
  { "rule" { "indent" = " " } { "text" = "-auth\t[default=ignore]  pam_x.so a=b" } { "end" = " \n" } }

(* a rule over several lines *)
test Pamd.lns get "auth required \\\n  pam_x.so\n" = *
