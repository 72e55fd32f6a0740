// OCR Score: each picture with its errors, the best one framed, and where the words differ.
import { make } from './dom.js'
import { keepEvents, pictureOf } from './pages.js'
import { percent, t } from './words.js'

const MOST = 1200 // characters a side: the comparison below is of the square of it

// Pieces { kind: 'same' | 'missing' | 'extra', text } that turn `expected` into `read`.
export function difference(expected, read) {
  const split = expected.length > MOST || read.length > MOST ? (text) => text.split(/(\s+)/).slice(0, MOST) : (text) => [...text]
  const [a, b] = [split(expected), split(read)]
  const width = b.length + 1
  const common = new Uint16Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1])
  const pieces = []
  const add = (kind, text) => (pieces.at(-1)?.kind === kind ? (pieces.at(-1).text += text) : pieces.push({ kind, text }))
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) add('same', a[i++], j++)
    else if (j < b.length && (i === a.length || common[i * width + j + 1] > common[(i + 1) * width + j])) add('extra', b[j++])
    else add('missing', a[i++])
  }
  return pieces
}

const TAGS = { same: 'span', missing: 'del', extra: 'ins' }

export function scorePanel() {
  const element = keepEvents(make('section', { class: 'vw-panel vw-score' }))
  let output = null

  function redraw() {
    const record = output?.score?.[0]
    if (!record) return
    const verdict = t(record.passed ? 'score_passed' : 'score_failed', { best: record.best_index + 1, count: record.images.length })
    element.replaceChildren(
      make('p', { class: 'vw-head', role: 'status' }, verdict),
      make('ol', { class: 'vw-pictures' }, record.images.map((one, at) => card(one, at, at === record.best_index)))
    )
  }

  function card(one, at, best) {
    const picture = output.pages?.[at]
    const pieces = difference(one.expected, one.read)
    return make(
      'li',
      { class: best && 'vw-best' },
      picture && make('img', { src: pictureOf(picture), alt: t('image_number', { number: at + 1 }), loading: 'lazy' }),
      make('p', null, make('strong', null, best ? t('best') : ''), ` ${t('score_numbers', { cer: percent(one.cer), wer: percent(one.wer) })}`),
      make('p', { class: 'vw-diff', 'aria-label': t('diff_label') , role: 'group' }, pieces.map((piece) => make(TAGS[piece.kind], null, piece.text)))
    )
  }

  return {
    element,
    height: 240,
    show(found) {
      output = found
      redraw()
    },
    redraw
  }
}
