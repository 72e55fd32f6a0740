// OCR Score: each picture with its errors, the best one framed, and where the words differ.
import { frame, make, put, strong } from './dom.js'
import { keepEvents, pictureOf } from './pages.js'
import { percent, t } from './words.js'

// Of the pieces that the node sends: [kind, text].
const TAGS = { same: 'span', missing: 'del', extra: 'ins' }

export function scorePanel() {
  const element = keepEvents(frame('score'))
  let output = null

  function show(found) {
    output = found
    redraw()
  }

  function redraw() {
    const record = output?.score?.[0]
    if (!record) return
    const verdict = t(record.passed ? 'score_passed' : 'score_failed', { best: record.best_index + 1, count: record.images.length })
    put(
      element,
      make('p', { class: 'vw-head', role: 'status' }, verdict),
      make('ol', { class: 'vw-pictures' }, record.images.map((one, at) => card(one, at, at === record.best_index)))
    )
  }

  function card(one, at, best) {
    const picture = output.pages?.[at]
    return make(
      'li',
      { class: best && 'vw-best' },
      picture && make('img', { src: pictureOf(picture), alt: t('image_number', { number: at + 1 }), loading: 'lazy' }),
      make('p', null, strong(best ? t('best') : ''), ` ${t('score_numbers', { cer: percent(one.cer), wer: percent(one.wer) })}`),
      make('p', { class: 'vw-diff', 'aria-label': t('diff_label'), role: 'group' }, (one.pieces ?? []).map(([kind, text]) => make(TAGS[kind], null, text)))
    )
  }

  return { element, height: 240, show, redraw }
}
