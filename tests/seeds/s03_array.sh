# S03: an array of four; two jobs set temp[i] = 100+i and print it.
tine array create temp i 11 22 33 44
for i in 0 1; do
  tine run --shell "tine array set temp $i $((100 + i)); echo $i '----->' \$(tine array get temp) | sed 's/\([0-9]\) \([0-9]\)/\1, \2/g'"
done
tine --json array get temp | sed 's/,/, /g'
