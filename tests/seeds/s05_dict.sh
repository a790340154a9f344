# S05: dic[i] = 100+i in two jobs, each prints all values.
for i in 0 1; do
  tine run --shell "tine dict set dic $i $((100 + i)); echo [\$(tine dict values dic)] | sed 's/ /, /g'"
done
