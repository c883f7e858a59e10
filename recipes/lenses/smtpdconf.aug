(*
The application configuration of Cyrus SASL, "key: value" lines, as its sasl_config_init reads them.

The tree of "mech_list: PLAIN LOGIN" is
  { "entry" { "indent" = "" } { "key" = "mech_list" } { "colon" = ": " } { "value" = "PLAIN LOGIN" } { "end" = "\n" } }
*)
module Smtpdconf =

let leaf      = Readllines.leaf
let blanks    = Readllines.blanks

let key       = /[A-Za-z0-9_-]+/
let value     = /[^ \t\r\f\v\n]([^\n]*[^ \t\r\f\v\n])?/

let entry     = [ label "entry" . leaf "indent" blanks . leaf "key" key . leaf "colon" (":" . blanks)
                  . leaf "value" value . Readllines.end ]

let lns       = (Readllines.comment | Readllines.empty | entry)*
