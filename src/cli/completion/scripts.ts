/**
 * What a shell loads. The scripts know nothing of commands and flags: they hand the words to the program they complete
 * for, which answers from its own tables, so they fit every version of it. An answer is a line for each candidate, its
 * help behind a tab; ":files" says that file names may be offered too.
 */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** The name of the hidden command that the scripts call. */
export const COMPLETE_COMMAND = "__complete";
export const FILES_LINE = ":files";

/** Bash splits words at "=" and ":" too, so they are put together again, and candidates cut to what it replaces. */
const BASH = `# bash completion for device-api-server
_device_api_server() {
  local -a words=()
  local word line joining= cur prefix
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ -n $joining || $word == [=:]* ]] && ((\${#words[@]})); then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    [[ $word == *[=:] ]] && joining=1 || joining=
  done
  cur=\${words[-1]-}
  prefix=\${cur%"\${cur##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${FILES_LINE} ]]; then
      compopt -o default
    else
      line=\${line%%$'\\t'*}
      COMPREPLY+=("\${line#"$prefix"}")
    fi
  done < <("\${1/#\\~/$HOME}" ${COMPLETE_COMMAND} -- "\${words[@]}" 2>/dev/null)
}
complete -o nosort -F _device_api_server device-api-server
`;

const ZSH = `#compdef device-api-server
# zsh completion for device-api-server
_device_api_server() {
  local -a candidates
  local line name help files=
  for line in "\${(@f)$("\${words[1]/#\\~/$HOME}" ${COMPLETE_COMMAND} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == ${FILES_LINE} ]]; then
      files=1
    elif [[ -n $line ]]; then
      name=\${line%%$'\\t'*} help=\${line#*$'\\t'}
      candidates+=("\${name//:/\\\\:}\${help:+:$help}")
    fi
  done
  ((\${#candidates})) && _describe -V device-api-server candidates
  [[ -n $files ]] && { compset -P '*='; _files }
}
if [[ \${funcstack[1]} == _device_api_server ]]; then
  _device_api_server "$@"
else
  compdef _device_api_server device-api-server
fi
`;

const FISH = `# fish completion for device-api-server
function __device_api_server
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    for line in ($program ${COMPLETE_COMMAND} -- $words[2..-1] "$current" 2>/dev/null)
        if test $line = ${FILES_LINE}
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c device-api-server -f -k -a '(__device_api_server)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
