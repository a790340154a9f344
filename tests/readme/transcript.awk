# The console blocks of the README's cookbook: -v what=commands or what=output; -v container=1: of its part on containers,
# else of all the others. A here-document of a command ends at a line END.
/^## / { cookbook = $0 == "## Cookbook"; wanted = 0 }
/^### / { wanted = cookbook && ($0 ~ /container/) == (container + 0) }
/^```/ { shown = wanted && $0 ~ /console/; next }
!shown { next }
document { if (what == "commands") print; document = $0 != "END"; next }
/^\$ / {
  if (what == "commands") print substr($0, 3)
  document = $0 ~ /<<'END'$/
  next
}
what == "output" { print }
