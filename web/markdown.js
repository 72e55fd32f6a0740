// Markdown as models write it, made into elements. No link is ever live, no picture is loaded, HTML stays text;
// of an HTML table the cells are kept, as text.
import { div, make, table } from './dom.js'

const RULE = /^ {0,3}([-*_])( *\1){2,} *$/
const BULLET = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/
const BAR = /^\s*\|?[\s:|-]+\|[\s:|-]*$/
const INLINE = /(`[^`]+`)|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|!?\[([^\]]*)\]\(([^)]*)\)/g

export function markdown(text) {
  const root = div('vw-markdown')
  const lines = String(text).replace(/\r\n?/g, '\n').split('\n')
  for (let at = 0; at < lines.length; ) at = block(root, lines, at)
  return root
}

// Adds the block that begins at line `at`; answers the line behind it.
function block(root, lines, at) {
  const line = lines[at]
  if (!line.trim()) return at + 1
  const fence = /^\s*(```|~~~|\$\$)/.exec(line)
  if (fence) return fenced(root, lines, at, fence[1])
  const head = /^(#{1,6})\s+(.*)$/.exec(line)
  if (head) {
    // one level lower than written: the page around has its own headings
    root.append(make(`h${Math.min(6, head[1].length + 2)}`, null, inline(head[2])))
    return at + 1
  }
  if (RULE.test(line)) {
    root.append(make('hr'))
    return at + 1
  }
  if (/<table[\s>]/i.test(line)) return htmlTable(root, lines, at)
  if (line.includes('|') && BAR.test(lines[at + 1] ?? '')) return pipeTable(root, lines, at)
  if (BULLET.test(line)) return list(root, lines, at)
  return paragraph(root, lines, at)
}

function fenced(root, lines, at, mark) {
  let end = at + 1
  while (end < lines.length && !lines[end].trim().startsWith(mark)) end++
  root.append(make('pre', { tabindex: 0 }, lines.slice(at + 1, end).join('\n')))
  return end + 1
}

function list(root, lines, at) {
  const first = BULLET.exec(lines[at])
  const items = make(first[1] ? 'ol' : 'ul', first[1] && { start: first[1] })
  for (; at < lines.length && BULLET.test(lines[at]); at++) items.append(make('li', null, inline(BULLET.exec(lines[at])[2])))
  root.append(items)
  return at
}

function paragraph(root, lines, at) {
  const said = []
  for (; at < lines.length && lines[at].trim() && !/^\s*(#{1,6}\s|```|~~~|\$\$)/.test(lines[at]); at++) said.push(lines[at])
  if (!said.length) said.push(lines[at++])
  root.append(make('p', null, said.flatMap((line, index) => (index ? [make('br'), ...inline(line)] : inline(line)))))
  return at
}

const cells = (line) => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map((cell) => cell.trim())

function pipeTable(root, lines, at) {
  const row = (tag) => cells(lines[at]).map((cell) => make(tag, null, inline(cell)))
  const [head, body] = [row('th'), []]
  for (at += 2; at < lines.length && lines[at].includes('|'); at++) body.push(make('tr', null, row('td')))
  root.append(table(null, head, body))
  return at
}

// The parser makes a document that runs and loads nothing; only numbers and text are taken out of it.
function htmlTable(root, lines, at) {
  let end = at
  while (end < lines.length && !/<\/table>/i.test(lines[end])) end++
  const parsed = new DOMParser().parseFromString(lines.slice(at, end + 1).join('\n'), 'text/html')
  for (const table of parsed.querySelectorAll('table')) {
    const rows = [...table.rows].map((row) =>
      make('tr', null, [...row.cells].map((cell) =>
        make(cell.tagName === 'TH' ? 'th' : 'td', { colspan: cell.colSpan, rowspan: cell.rowSpan }, cell.textContent)
      ))
    )
    root.append(make('table', null, rows))
  }
  return end + 1
}

function inline(text) {
  const parts = []
  let from = 0
  for (const found of text.matchAll(INLINE)) {
    const [all, code, strong, bold, slanted, label, target] = found
    parts.push(text.slice(from, found.index))
    if (code) parts.push(make('code', null, code.slice(1, -1)))
    else if (strong ?? bold) parts.push(make('strong', null, strong ?? bold))
    else if (slanted) parts.push(make('em', null, slanted))
    else parts.push(all.startsWith('!') ? `[${label}]` : `${label} (${target})`)
    from = found.index + all.length
  }
  return [...parts, text.slice(from)]
}
