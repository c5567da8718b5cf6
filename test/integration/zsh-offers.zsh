# SPDX-License-Identifier: Apache-2.0
# zsh -f zsh-offers.zsh SCRIPT FOLDER TEXT: what zsh offers where the tab key is pressed behind a text. Completion works
# at a terminal alone, so another zsh runs at one, and what it is given to offer goes through a pipe.
zmodload zsh/zpty
script=$1 folder=$2 text=$3
mkfifo $folder/offers
cat > $folder/setup <<END
PS1= ; autoload -Uz compinit; compinit -D -u; source $script
compadd() {
  # With one of these it is only asked what would fit.
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "\$@"; return; fi
  local -a hits
  builtin compadd -A hits "\$@"
  (( \$#hits )) && print -rl -- \$hits >&9
  builtin compadd "\$@"
}
offer() { _main_complete; print -r -- END-OF-OFFERS >&9; compstate[insert]= ; compstate[list]= }
zle -C offer complete-word offer
bindkey '^I' offer
exec 9> $folder/offers
print -r -- ready >&9
END
zpty terminal zsh -f -i
zpty -w terminal "source $folder/setup"
exec 8< $folder/offers
read -r -u 8 line
zpty -w -n terminal "$text"$'\t'
while read -r -u 8 line && [[ $line != END-OF-OFFERS ]]; do print -r -- $line; done
zpty -d terminal
