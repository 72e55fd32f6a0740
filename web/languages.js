// What can be added to a model (recognisers, the net that finds blocks), and its button.
import { button, changes, div, fault, make, note, put, status } from './dom.js'
import { order, watch } from './live.js'
import { language, size, t } from './words.js'

// The time tells a second try that fails at once from the first.
export function failed(download) {
  if (download?.state !== 'failed') return null
  const time = new Date(1000 * download.ended).toLocaleTimeString(language())
  return fault(`${t('download_failed', { time })} ${download.error}`, { role: 'alert' })
}

// The button that begins a download, or how far it is. `post` sends the order.
export function fetching(id, download, text, post, source = '') {
  if (download?.state === 'running') {
    const { done_bytes: done, total_bytes: total } = download
    return div(
      'vw-row',
      make('progress', { max: total || 1, value: total && done, 'aria-label': t('downloading') }),
      make('span', { class: 'vw-number' }, total ? t('done_of', { done: size(done), total: size(total) }) : t('downloading')),
      button(t('cancel'), () => post({ model: id, cancel: true }), { 'data-act': `cancel ${id}` })
    )
  }
  return div(
    'vw-row',
    button(text, () => post({ model: id, source }), { 'data-act': `download ${id}` }),
    download?.state === 'stopped' && make('span', null, t('download_stopped'))
  )
}

const named = (codes) => codes.map((code) => new Intl.DisplayNames([language()], { type: 'language' }).of(code)).join(', ')

// The net that finds blocks has a name of its own, a recogniser those of its languages.
function recogniser(one, post) {
  const name = one.name ?? named(one.languages)
  if (one.state === 'here') return make('p', null, `\u2713 ${name}`)
  if (!one.allowed) return note(`${name}: ${t('download_off')}`)
  return [failed(one.download), fetching(one.id, one.download, t(one.state === 'damaged' ? 'language_again' : 'language_add', { name }), post)]
}

// Below a loader, folded: what can be added to its model.
export const additions = (key, all, post) =>
  make('details', { class: 'vw-languages' }, make('summary', { 'data-act': 'languages' }, t(key)), all.flatMap((one) => recogniser(one, post)))

const names = (sentence, id) => new RegExp(`\\bdownload ${id}\\b`).test(sentence)
export const namesAddition = (sentence) => names(sentence, '\\w+')

// Where the sentence of a run that has failed names recognisers, it is shown with their buttons.
export function refusal(sentence) {
  const element = div('vw-missing vw-refused')
  const said = status()
  const body = div()
  element.append(fault(sentence, { role: 'alert' }), body, said)
  const changed = changes()
  const live = watch(element, () => 'recognisers', show, (error) => (said.textContent = error))

  function show(all) {
    const wanted = all.filter((one) => names(sentence, one.id))
    if (!changed(wanted)) return
    put(body, wanted.map((one) => recogniser(one, post)))
    if (wanted.length && wanted.every((one) => one.state === 'here')) said.textContent = t('run_again')
  }

  async function post(what) {
    await order('download', what, said)
    live.refresh()
  }

  return { element, stop: () => live.stop() }
}
