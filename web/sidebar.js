// The sidebar tab: the machine, what of ours is in memory, and what fits here or on another card.
import { adviceList, sentences, unused, useInLoader } from './advice.js'
import { button, changes, div, fault, list, make, note, put, status, strong } from './dom.js'
import { ask, order, watch } from './live.js'
import { deviceBar } from './memory.js'
import { language, loadWords, size, t } from './words.js'

// `again` makes it anew, in another language.
export async function sidebar(root, graph, again) {
  await loadWords()
  const spoken = language()
  const machine = div()
  const held = div()
  const said = status()
  const changed = changes()
  const section = (key, ...children) => make('section', { 'aria-label': t(key) }, make('h3', null, t(key)), children)
  const fits = fitting(graph)
  const sections = [section('side_machine', machine), section('side_residents', held, said), section('side_fits', fits.element)]
  put(root, div('vw-panel vw-sidebar', make('h2', null, 'VRAMwise'), sections))
  const fail = (place) => (sentence) => put(place, fault(sentence))

  const live = [
    watch(machine, () => 'machine', present, fail(machine)),
    watch(held, () => 'residents', residents, fail(held))
  ]

  function present(found) {
    if (language() === spoken) put(machine, about(found))
    else again()
  }

  function residents(found) {
    if (!changed(found)) return
    if (!found.length) return put(held, note(t('nothing_resident')))
    const bytes = (one) => one.device_bytes || one.ram_bytes
    put(
      held,
      list('vw-residents', found, (one) => [
        make('span', null, strong(one.name), ` ${one.precision ?? ''} ${one.device} ${bytes(one) ? size(bytes(one)) : ''} ${one.ram_bytes ? t('in_ram') : ''}`),
        button(t('evict'), () => evict({ id: one.id }), { 'aria-label': t('evict_label', { model: one.name }) })
      ]),
      button(t('evict_all'), () => evict({ all: true }))
    )
  }

  async function evict(body) {
    said.textContent = t('evicting')
    const found = await order('evict', body, said, t('evicted'))
    if (found) residents(found.residents)
  }

  fits.load()
  return () => live.forEach((one) => one.stop())
}

function about(found) {
  // beside a card the processor is its RAM
  const card = found.devices.some((one) => one.kind !== 'cpu')
  const told = (one) => (card && one.kind === 'cpu' ? { ...one, id: t('ram'), name: t('ram') } : one)
  return [
    found.devices.map((one) => deviceBar(told(one))),
    make('ul', { class: 'vw-findings' }, found.findings.map((one) => make('li', { class: `vw-${one.severity}` }, strong(one.title), ` ${one.detail} ${one.remedy}`))),
    found.remarks?.length > 0 && list('vw-findings vw-note', found.remarks)
  ]
}

// What fits by task, for this machine or a card that is typed or picked.
function fitting(graph) {
  const names = make('datalist', { id: 'vramwise-cards' })
  const card = make('input', {
    type: 'text',
    list: 'vramwise-cards',
    'aria-label': t('what_if'),
    placeholder: t('what_if_hint'),
    size: 28,
    maxlength: 80,
    onkeydown
  })
  const best = make('div', { 'aria-live': 'polite' })
  const list = adviceList(useInLoader(graph(), null))
  const all = make('details', null, make('summary', null, t('all_models')), list.element)
  const ways = div('vw-row', card, names, button(t('ask'), load), button(t('this_machine'), here))
  const element = div('vw-fits', ways, best, all)
  let latest

  function onkeydown(event) {
    event.stopPropagation() // no shortcut of the canvas
    if (event.key === 'Enter') load()
  }

  function here() {
    card.value = ''
    load()
  }

  // what is asked last stays
  async function load() {
    const mine = (latest = {})
    put(best, note(t('asking')))
    try {
      const found = await ask(`advise?${new URLSearchParams({ gpu: card.value.trim(), task: 'all' })}`)
      if (mine !== latest) return
      if (!names.childElementCount) put(names, (await ask('cards')).map((name) => make('option', { value: name })))
      put(best, found.flatMap((one) => [make('h4', null, t('fits_on', { gpu: one.gpu })), sentences(one.summary), note(one.summary.next)]), unused(found))
      list.show(found.slice(0, 1), true)
    } catch (error) {
      put(best, fault(error.message))
    }
  }

  return { element, load }
}
