module Test_maincf =

test Maincf.lns get "a = b\n" =
  { "parameter" { "name" = "a" } { "equals" = " = " } { "value" = "b" } { "end" = "\n" } }

(* nothing is no value; "#" after it begins one, as it does for Postfix *)
test Maincf.lns get "a =  \nb=# c\r\n" =
  { "parameter" { "name" = "a" } { "equals" = " =" } { "end" = "  \n" } }
  { "parameter" { "name" = "b" } { "equals" = "=" } { "value" = "# c" } { "end" = "\r\n" } }

(* a comment or an empty line does not end a value *)
test Maincf.lns get "a =\n  b,\n# c\n\n\td\ne = f\n" =
  { "parameter" { "name" = "a" } { "equals" = " =\n  " } { "value" = "b,\n# c\n\n\td" } { "end" = "\n" } }
  { "parameter" { "name" = "e" } { "equals" = " = " } { "value" = "f" } { "end" = "\n" } }

test Maincf.lns get "a\n  = ${b?{c = d}:{e}}\n" =
  { "parameter" { "name" = "a" } { "equals" = "\n  = " } { "value" = "${b?{c = d}:{e}}" } { "end" = "\n" } }

test Maincf.lns get "no setting\n" = *
test Maincf.lns get "= value\n" = *

(* of two settings each is a node of its own; an edit touches one leaf *)
test Maincf.lns put "a=1\n# c\na = 2 \n" after set "/parameter[2]/value" "3" = "a=1\n# c\na = 3 \n"
