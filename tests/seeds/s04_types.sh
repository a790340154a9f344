# S04: each type holds its least and its greatest value, and refuses one past them.
row() {
  tine array create "x$1" "$1" "$2" "$3" || exit
  read_back=$(tine array get "x$1" | tr '\n' ' ')
  [ "$read_back" = "$2 $3 " ] && same='reads back' || same="DIFFERS: $read_back"
  refused='refuses one past'
  for past in "$4" "$5"; do
    tine array set "x$1" 0 "$past" 2>/dev/null
    [ $? = 2 ] || refused="TOOK $past"
  done
  size=$(($(wc -c <"$TINE_STATE_DIR/shared/x$1.array") - 512))
  echo "$1 $((size / 2)) $same $refused"
}
row c a z '' ab
row u a ü '' ab
row b -128 127 -129 128
row B 0 255 -1 256
row h -32768 32767 -32769 32768
row H 0 65535 -1 65536
row i -2147483648 2147483647 -2147483649 2147483648
row I 0 4294967295 -1 4294967296
row l -9223372036854775808 9223372036854775807 -9223372036854775809 9223372036854775808
row L 0 18446744073709551615 -1 18446744073709551616
row f -3.4028235e+38 3.4028235e+38 -3.5e+38 3.5e+38
row d -1.7976931348623157e+308 1.7976931348623157e+308 -1.8e+308 1.8e+308
