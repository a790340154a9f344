# 20 blocks of four lines, "i -----> 100+i" and then 22, 33, 44, each i once. Prints what is wrong; exit 1.
{
  at = (NR - 1) % 4
  if (at == 0) { i = $1; seen[i]++; want = 100 + i } else want = 11 * (at + 1)
  if ($0 != i " -----> " want) { print "line " NR ": " $0 ", not " i " -----> " want; bad = 1 }
}
END {
  if (NR != 80) { print NR " lines, not 80"; bad = 1 }
  for (k = 0; k < 20; k++) if (seen[k] != 1) { print k " was there " seen[k] + 0 " times"; bad = 1 }
  exit bad
}
